import { Ajv } from 'ajv';
import { configSchema } from 'meterseal/internal/config/schema';
import t from 'tap';

type Node = {
  type?: string;
  properties?: Record<string, Node>;
  additionalProperties?: unknown;
  items?: Node;
  pattern?: string;
  description?: string;
  maxItems?: number;
  maxLength?: number;
  enum?: unknown[];
};

function* nodesOf(node: Node, place = 'config'): Generator<[string, Node]> {
  yield [place, node];
  for (const [key, child] of Object.entries(node.properties ?? {})) yield* nodesOf(child, `${place}.${key}`);
  if (node.items !== undefined) yield* nodesOf(node.items, `${place}[]`);
}

const nodes = [...nodesOf(configSchema as Node)];

t.test('the schema is one by the strictest rules of its reader', (t) => {
  t.ok(new Ajv({ strict: true, strictRequired: true, allowUnionTypes: false }).compile(configSchema));
  t.end();
});

t.test('every mapping refuses unknown keys, every list has a most, every text a bound', (t) => {
  for (const [place, node] of nodes) {
    if (node.type === 'object' && node.properties !== undefined) {
      t.equal(node.additionalProperties, false, place);
    } else if (node.type === 'array') t.ok(node.maxItems, place);
    else if (node.type === 'string') {
      t.ok(node.maxLength !== undefined || node.pattern !== undefined || node.enum !== undefined, place);
    }
  }
  t.end();
});

t.test('whoever does not keep a pattern is told in words what belongs there', (t) => {
  for (const [place, { pattern, description }] of nodes) {
    if (pattern === undefined) continue;
    t.ok(description, place);
    t.ok(pattern.startsWith('^') && pattern.endsWith('$'), `${place}: the whole text`);
  }
  t.end();
});

t.test('no pattern takes long for a hostile text', (t) => {
  for (const [place, { pattern }] of nodes) {
    if (pattern === undefined) continue;
    const started = performance.now();
    for (const hostile of ['a'.repeat(5_000), `${'a-'.repeat(2_500)}!`, `${'a.'.repeat(2_500)}!`]) {
      new RegExp(pattern, 'u').test(hostile);
    }
    t.ok(performance.now() - started < 1_000, place);
  }
  t.end();
});
