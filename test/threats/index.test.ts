import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/*
 * docs/threats.md names a test for each attack. What it names must be there: a test that is renamed or removed takes its
 * row with it, or this fails.
 */

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ATTACKS = 33;

type Named = { readonly file: string; readonly title: string };

const text = readFileSync(`${ROOT}docs/threats.md`, 'utf8');
const rows = [...text.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, number, rest]) => ({
  number: Number(number),
  tests: testsIn(rest!),
  cells: rest!.split(' | ').length,
}));

function testsIn(cell: string): Named[] {
  const pairs = [...cell.matchAll(/`([a-z0-9/-]+)`: `([^`]+)`/g)];
  return pairs.map(([, file, title]) => ({ file: file!, title: title! }));
}

/** The titles of a test file, as they are written in it. */
function titlesOf(file: string): string[] {
  const source = readFileSync(`${ROOT}test/${file}.test.ts`, 'utf8');
  const inTests = [...source.matchAll(/\bt\.test\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs)].map(
    ([, , title]) => title!,
  );
  // Where a table of cases names its tests.
  const inTables = [...source.matchAll(/^\s*\[?\s*'((?:\\.|[^'])+)',$/gm)].map(([, title]) => title!);
  return [...inTests, ...inTables];
}

t.test('every attack has its row, once', async (t) => {
  const all = Array.from({ length: ATTACKS }, (_, i) => i + 1);
  t.strictSame(
    rows.map(({ number }) => number).sort((a, b) => a - b),
    all,
  );
});

t.test('every attack but those that are said to be not shown yet names a test', async (t) => {
  const shown = rows.filter(({ cells }) => cells === 3);
  t.strictSame(
    rows.filter((row) => !shown.includes(row)).map(({ number }) => number),
    [14, 24],
  );
  for (const { number, tests } of shown) t.ok(tests.length > 0, `${number}`);
});

t.test('every test that is named is there, under its title', async (t) => {
  for (const { file, title } of testsIn(text)) t.ok(titlesOf(file).includes(title), `${file}: ${title}`);
});

t.test('every test beside this one is named', async (t) => {
  const here = readdirSync(`${ROOT}test/threats`)
    .filter((name) => name.endsWith('.test.ts') && name !== 'index.test.ts')
    .map((name) => `threats/${name.replace('.test.ts', '')}`);
  const named = testsIn(text).map(({ file }) => file);
  t.strictSame(
    here.filter((file) => !named.includes(file)),
    [],
  );
});
