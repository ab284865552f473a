import { readFileSync } from 'node:fs';
import { VERDICT_CODES } from '@meterseal/protocol';
import { EXIT } from 'meterseal/internal/exit-code';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import t from 'tap';

const PAGE = readFileSync(new URL('../../../docs/operate.md', import.meta.url), 'utf8');

/** Rows of the table under a heading: the cells of each. */
function tableUnder(heading: string): string[][] {
  const section = PAGE.split(/^## /m).find((part) => part.startsWith(heading)) ?? '';
  return section
    .split('\n')
    .filter((line) => /^\| \d/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));
}

t.test('every exit code is in the table, with what it means and what to do', (t) => {
  const rows = tableUnder('Exit codes');
  t.same(
    rows.map(([, code]) => Number(code)),
    Object.values(EXIT).sort((a, b) => a - b),
  );
  for (const [, code, means, does] of rows) {
    t.ok(means!.length > 20, `${code} has a meaning`);
    if (code !== '0') t.ok(does!.length > 20, `${code} has a remedy`);
  }
  t.end();
});

t.test('every verdict is in the table, under its code, with what to do', (t) => {
  const rows = tableUnder('Verdicts');
  t.same(
    rows.map(([, code, name]) => [name, Number(code)]),
    Object.entries(VERDICT_CODES).map(([name, code]) => [`\`${name}\``, code]),
  );
  for (const [, code, , does] of rows) if (code !== '0') t.ok(does!.length > 15, `${code} has a remedy`);
  t.end();
});

t.test('the picture of the state folder has everything that lies in it', (t) => {
  const picture = /^```\n(meterseal\.yaml.*?)^```$/ms.exec(PAGE)?.[1] ?? '';
  const { root, sockets, ...paths } = stateFolder('/state');
  t.equal(root, '/state');
  for (const path of Object.values(paths)) t.match(picture, path.split('/').at(-1)!);
  for (const socket of Object.keys(sockets)) t.match(picture, socket);
  t.end();
});
