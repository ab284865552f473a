import t from 'tap';
import { TestBox } from '../test-box.js';

t.test('the field says what is its own to say', async (t) => {
  const box = await TestBox.start(t);
  await box.enrolled('EM:1');
  const { size } = box.role.status();
  t.same(await box.post('/v1/events', { kind: 'clock-step', ms: -1200 }), { index: size });
  t.same(await box.post('/v1/events', { kind: 'restored', subject: 1, from: 4, to: 9 }), { index: size + 2 });

  const refusals: [string, unknown, { code: string; status?: number }][] = [
    ['a kind of the platform', { kind: 'conflict', subject: 1 }, { code: 'bad-request', status: 400 }],
    ['a revocation', { kind: 'revocation', subject: 1 }, { code: 'bad-request' }],
    ['an unknown kind', { kind: 'party' }, { code: 'bad-entry', status: 400 }],
    ['free text', { kind: 'fault', text: 'Meter EM:1 of A. Holder' }, { code: 'bad-entry' }],
    ['an unknown subject', { kind: 'fault', subject: 2 }, { code: 'unknown-meter', status: 404 }],
    ['a subject that is no number', { kind: 'fault', subject: 'one' }, { code: 'bad-entry' }],
    ['a list', [], { code: 'bad-entry' }],
  ];
  for (const [name, event, expected] of refusals)
    await t.rejects(box.post('/v1/events', event), expected, name);
  t.equal(box.role.status().size, size + 4);
});

t.test('events cannot grow the chain', async (t) => {
  const box = await TestBox.start(t);
  for (let i = 0; i < 60; i++) await box.post('/v1/events', { kind: 'fault', n: i });
  await t.rejects(box.post('/v1/events', { kind: 'fault', n: 60 }), { code: 'rate-limited', status: 429 });
  t.ok(await box.post('/v1/events', { kind: 'disk-low' }), 'another kind is not held up');
  await box.clock.advance(3_600_000);
  t.ok(await box.post('/v1/events', { kind: 'fault', n: 61 }));
});
