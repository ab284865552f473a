import { requireShape } from 'meterseal/internal/host/json-shape';
import t from 'tap';

type Answer = { readonly name: string; readonly seq: number; readonly note?: string; readonly size?: number };
const read = (answer: unknown): Answer =>
  requireShape<Answer>(answer, { name: 'text', seq: 'count', note: 'text?', size: 'count?' }, 'answer');

t.test('an answer with what is needed is taken, whatever else it has', (t) => {
  t.same(read({ name: 'a', seq: 0 }), { name: 'a', seq: 0 });
  t.same(read({ name: '', seq: 2 ** 53 - 1, note: 'n', size: 3, more: [] }).size, 3);
  t.end();
});

t.test('an answer of another shape is refused', (t) => {
  const answers: unknown[] = [
    null,
    [],
    'text',
    7,
    undefined,
    {},
    { name: 'a' },
    { name: 7, seq: 1 },
    { name: 'a', seq: '1' },
    { name: 'a', seq: 1.5 },
    { name: 'a', seq: -1 },
    { name: 'a', seq: 2 ** 53 },
    { name: 'a', seq: null },
    { name: 'a', seq: 1, note: null },
    { name: 'a', seq: 1, size: 'big' },
    Object.create({ name: 'a', seq: 1 }),
  ];
  for (const answer of answers) t.throws(() => read(answer), { code: 'bad-message' });
  t.end();
});
