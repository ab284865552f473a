import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine } from '@meterseal/native/javascript';
import { toBase64 } from '@meterseal/protocol';
import { parseConfig } from 'meterseal/internal/config/config';
import { configSchema } from 'meterseal/internal/config/schema';
import t from 'tap';
import { temporaryFolder } from '../host/temporary-folder.js';

const PAGE = readFileSync(new URL('../../../../docs/configure.md', import.meta.url), 'utf8');
const EXAMPLE = /^```yaml\n(.*?)^```$/ms.exec(PAGE)?.[1] ?? '';

type Node = { properties?: Record<string, Node>; items?: Node };

/** Every key of the schema that has a value of its own, with the section of the page that has to explain it. */
function* keysOf(node: Node, section: string, prefix = ''): Generator<[section: string, key: string]> {
  for (const [key, child] of Object.entries(node.properties ?? {})) {
    const list = child.items?.properties === undefined ? undefined : child.items;
    if (section === '') yield* keysOf(list ?? child, list === undefined ? key : `${key}[]`);
    else if (child.properties !== undefined) yield* keysOf(child, section, `${prefix}${key}.`);
    else {
      yield [section, `${prefix}${key}`];
      if (list !== undefined) yield* keysOf(list, `${section}.${key}[]`);
    }
  }
}

t.test('the page explains every key, and no other', (t) => {
  const explained = new Set<string>();
  let section = '';
  for (const line of PAGE.split('\n')) {
    const heading = /^##+ (.*)$/.exec(line);
    if (heading !== null) section = heading[1]!;
    const row = /^\| `([^`]+)` \|/.exec(line);
    if (row !== null) explained.add(`${section} ${row[1]}`);
  }
  const keys = new Set([...keysOf(configSchema as Node, '')].map(([place, key]) => `${place} ${key}`));
  t.same([...explained].sort(), [...keys].sort());
  t.ok(keys.size > 20);
  t.end();
});

t.test('the example is taken as it stands, and names every key', (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'codes'));
  const { publicKey } = javascriptEngine.keyFromSeed(new Uint8Array(32).fill(1));
  writeFileSync(join(folder, 'collector.pub'), toBase64(publicKey));
  const config = parseConfig(EXAMPLE, folder);
  t.equal(config.platformId, 'grid.example/meterseal/substation-7');
  t.equal(config.field.buses.flatMap(({ meters }) => meters).length, 3);
  for (const [, key] of keysOf(configSchema as Node, '')) {
    t.match(EXAMPLE, new RegExp(`^[ -]*${key.split('.').at(-1)}:`, 'm'), key);
  }
  t.end();
});

t.test('the defaults on the page are the ones that are used', (t) => {
  const defaults = new Map(
    [...PAGE.matchAll(/^\| `([^`]+)` \| `([^`]+)` \|/gm)].map(([, key, value]) => [key!, value!]),
  );
  const bare = parseConfig('site: { operator: grid.example, box: b }', '/');
  const spelt = parseConfig(
    `site: { operator: grid.example, box: b, log: ${defaults.get('log')} }
field: { interval: ${defaults.get('interval')}, timeout: ${defaults.get('timeout')}, session: ${defaults.get('session')} }
chain: { sessions: { life: ${defaults.get('sessions.life')}, readings: ${defaults.get('sessions.readings')} } }
gate: { control: "${defaults.get('control')}", comparison-port: ${defaults.get('comparison-port')}, max-lease: ${defaults.get('max-lease')} }`,
    '/',
  );
  t.same(spelt, bare);
  t.end();
});
