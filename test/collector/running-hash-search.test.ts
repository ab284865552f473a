import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { searchRunningHash } from '@meterseal/node-red-meterseal/internal/ledgers/running-hash-search';
import { RUNNING_HASH_START, runningHash, toHex, utf8 } from '@meterseal/protocol';
import t from 'tap';

const hash = (name: string): Uint8Array => crypto.sha256(utf8(name));
const lead = (names: readonly string[]): Uint8Array =>
  names.reduce((at, name) => runningHash(crypto, at, hash(name)), RUNNING_HASH_START);

function search(
  target: readonly string[],
  candidates: readonly (readonly string[])[],
  hashes = 100_000,
): string[] | undefined {
  const names = new Map(candidates.flat().map((name) => [toHex(hash(name)), name]));
  const lists = candidates.map((list) => list.map(hash));
  const found = searchRunningHash(crypto, RUNNING_HASH_START, lead(target), lists, { hashes });
  return found?.map((one) => names.get(toHex(one))!);
}

t.test('what is held, what the chain says, or a mixture of both is found', async (t) => {
  const both = [['a', 'A'], ['b', 'B'], ['c'], ['d', 'D', 'x']];
  for (const target of ['abcd', 'ABcD', 'aBcd', 'AbcD', 'abcx', 'ABcx']) {
    t.strictSame(search([...target], both), [...target], target);
  }
  t.equal(search([...'abcy'], both), undefined);
  t.equal(search([...'abc'], both), undefined);
});

t.test('a number that nothing is known of leaves no answer', async (t) => {
  t.equal(search(['a', 'b'], [['a'], []]), undefined);
  t.strictSame(search([], []), []);
});

t.test('it stops where the budget ends', async (t) => {
  const many = Array.from({ length: 40 }, (_, i) => [`a${i}`, `b${i}`]);
  const mixed = many.map((pair, i) => pair[i % 2]!);
  const started = performance.now();
  t.equal(search(mixed, many, 20_000), undefined);
  t.ok(performance.now() - started < 5_000);
  const few = many.slice(0, 8);
  t.strictSame(
    search(
      few.map((pair, i) => pair[i % 2]!),
      few,
    ),
    few.map((pair, i) => pair[i % 2]),
  );
});
