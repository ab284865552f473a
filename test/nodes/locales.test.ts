import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const NODES = fileURLToPath(new URL('../../../node-red-nodes/nodes', import.meta.url));
const LANGUAGES = ['de', 'en-US', 'zh-CN'];
const names = readdirSync(NODES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

function textOf(name: string, language: string, ending: 'json' | 'html'): string {
  return readFileSync(join(NODES, name, 'locales', language, `${name}.${ending}`), 'utf8');
}

/** Paths of all words of a catalogue: `meterseal-link.label.name`. */
function keysOf(catalogue: unknown, path = ''): string[] {
  if (typeof catalogue === 'string') return [path];
  return Object.entries(catalogue as object)
    .flatMap(([key, value]) => keysOf(value, path === '' ? key : `${path}.${key}`))
    .sort();
}

function wordsOf(name: string, language: string): string[] {
  return keysOf(JSON.parse(textOf(name, language, 'json')));
}

/** Tags, and texts that are the same in every language: names of properties, and what stands in code. */
function skeletonOf(help: string): string[] {
  const names = [...help.matchAll(/<code>(?:(?!&lt;)[^<])*<\/code>/g)].map(([code]) => code).sort();
  const tags = [...help.matchAll(/<(h3|p|dt|dd|dl)\b/g)].map(([, tag]) => tag!);
  return [...tags, ...names];
}

for (const name of names) {
  t.test(name, async (t) => {
    t.same(readdirSync(join(NODES, name, 'locales')).sort(), LANGUAGES);
    const english = wordsOf(name, 'en-US');

    await t.test('has the same words and the same help in every language', async (t) => {
      for (const language of LANGUAGES) {
        t.same(wordsOf(name, language), english, `words in ${language}`);
        const skeleton = skeletonOf(textOf(name, language, 'html'));
        t.same(skeleton, skeletonOf(textOf(name, 'en-US', 'html')), `help in ${language}`);
      }
      t.match(textOf(name, 'en-US', 'html'), `data-help-name="${name}"`);
    });

    await t.test('uses the words that it has, and no others', async (t) => {
      const dialog = readFileSync(join(NODES, name, `${name}.html`), 'utf8');
      const adapter = join(NODES, '..', 'adapters', `${name.replace('meterseal-', '')}-node.ts`);
      const source = dialog + readFileSync(adapter, 'utf8');
      const used = new Set([...source.matchAll(/meterseal-[a-z]+\.[A-Za-z.]*[A-Za-z]/g)].map(([key]) => key));
      // Put together where they are used: `meterseal-switch.state.` and a state.
      const isUsed = (key: string): boolean => used.has(key) || used.has(key.slice(0, key.lastIndexOf('.')));
      t.same(
        english.filter((key) => !isUsed(key)),
        [],
      );
      const known = [...english, ...english.map((key) => key.slice(0, key.lastIndexOf('.')))];
      t.same(
        [...used].filter((key) => !known.includes(key) && !/\.(?:svg|js|html)$/.test(key)),
        [],
      );
    });
  });
}
