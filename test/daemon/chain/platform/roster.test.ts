import { toHex } from '@meterseal/protocol';
import { parseRoster } from 'meterseal/internal/chain/platform/roster';
import t from 'tap';

const CODE = 'ab'.repeat(32);

t.test('a roster lists meters with holder and code', (t) => {
  const entries = parseRoster(`- meter: EM:1
  holder: {name: A. Holder, contract: "1001"}
  codeSha256: ${CODE}
- {meter: EM:2, holder: {}, codeSha256: ${CODE}, revoked: true}
`);
  t.match(entries.get('EM:1'), {
    meter: 'EM:1',
    holder: { name: 'A. Holder', contract: '1001' },
    revoked: false,
  });
  t.equal(toHex(entries.get('EM:1')!.codeHash), CODE);
  t.match(entries.get('EM:2'), { holder: {}, revoked: true });
  t.equal(parseRoster('').size, 0);
  t.equal(parseRoster('[]').size, 0);
  t.end();
});

t.test('everything else is refused, naming the entry', (t) => {
  const entry = (more: string) => `- {meter: EM:1, holder: {}, codeSha256: ${CODE}}\n- ${more}`;
  const texts: [string, string, RegExp][] = [
    ['no YAML', '- [', /not YAML/],
    ['no list', 'meter: EM:1', /not a list/],
    ['no mapping', entry('EM:2'), /entry 2: not a mapping/],
    [
      'an unknown key',
      entry(`{meter: EM:2, holder: {}, codeSha256: ${CODE}, code: x}`),
      /entry 2: unknown key "code"/,
    ],
    ['a meter twice', entry(`{meter: EM:1, holder: {}, codeSha256: ${CODE}}`), /there already/],
    ['a bad meter ID', entry(`{meter: "EM 2", holder: {}, codeSha256: ${CODE}}`), /entry 2: meter/],
    ['a short hash', entry('{meter: EM:2, holder: {}, codeSha256: abcd}'), /codeSha256/],
    [
      'a hash in capitals',
      entry(`{meter: EM:2, holder: {}, codeSha256: ${CODE.toUpperCase()}}`),
      /codeSha256/,
    ],
    ['no holder', entry(`{meter: EM:2, codeSha256: ${CODE}}`), /holder is not a mapping/],
    [
      'a number as text',
      entry(`{meter: EM:2, holder: {contract: 1}, codeSha256: ${CODE}}`),
      /holder.contract is not a text/,
    ],
    [
      'a huge holder',
      entry(`{meter: EM:2, holder: {n: ${'x'.repeat(5000)}}, codeSha256: ${CODE}}`),
      /holder/,
    ],
    [
      'not revoked',
      entry(`{meter: EM:2, holder: {}, codeSha256: ${CODE}, revoked: false}`),
      /revoked can only be true/,
    ],
    ['a key twice', entry(`{meter: EM:2, meter: EM:3, holder: {}, codeSha256: ${CODE}}`), /not YAML/],
    ['an alias', `- &a {meter: EM:1, holder: {}, codeSha256: ${CODE}}\n- *a`, /not YAML/],
  ];
  for (const [name, text, message] of texts) {
    t.throws(() => parseRoster(text), { code: 'bad-roster', message }, name);
  }
  t.end();
});
