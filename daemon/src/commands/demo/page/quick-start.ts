import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A node of a flow, as Node-RED's flow files have it. */
export type FlowNode = {
  readonly id: string;
  readonly type: string;
  readonly [property: string]: unknown;
};

/**
 * Environment variables of Node-RED by which the flow knows what differs from start to start. Nodes name them as `${NAME}`,
 * so that a flow which somebody has changed in the editor goes on working.
 */
export type FlowEnvironment = {
  readonly METERSEAL_PLATFORM_ID: string;
  /** The box's trust policy. */
  readonly METERSEAL_POLICY: string;
  /** The collector's folder. */
  readonly METERSEAL_COLLECTOR: string;
  readonly METERSEAL_CONTROL_PORT: string;
  readonly METERSEAL_COLLECTOR_PORT: string;
  /** What the field sends as bearer token. */
  readonly METERSEAL_TOKEN: string;
  /** A shell command, to which the flow appends what the insider is to do. */
  readonly METERSEAL_INSIDER: string;
};

const EXAMPLE = fileURLToPath(
  new URL('../../../../../node-red-nodes/examples/quick-start.json', import.meta.url),
);

/** How a property of a node names an environment variable. */
export function env(name: keyof FlowEnvironment): string {
  return `\${${name}}`;
}

/** What the demo's box and token are; an example leaves them to whoever imports it. */
const FILLED_IN: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'meterseal-platform': {
    platformId: env('METERSEAL_PLATFORM_ID'),
    policyFrom: 'file',
    policyFile: env('METERSEAL_POLICY'),
  },
  'meterseal-link': {
    dir: env('METERSEAL_COLLECTOR'),
    controlHost: '127.0.0.1',
    controlPort: env('METERSEAL_CONTROL_PORT'),
  },
  'meterseal-collector': {
    host: '127.0.0.1',
    port: env('METERSEAL_COLLECTOR_PORT'),
    quietAfter: '30',
    credentials: { token: env('METERSEAL_TOKEN') },
  },
};
type ExampleNode = FlowNode & { readonly wires?: readonly (readonly string[])[] };

/** A link node, and those at its other end. */
export type LinkEnd = { readonly id: string; readonly others: readonly string[] };

/** Nodes whose messages leave the tab. */
const TOLD = ['meterseal-collector', 'meterseal-verify', 'meterseal-switch', 'catch'];

/**
 * The package's quick start for the demo's box, with a way out for what its nodes send and a way in for a comparison.
 *
 * @param out and `asked`: the IDs of a link node here, and of those that it leads to or is reached from
 * @returns its nodes, and the ID of the link by which they are a collector
 */
export function quickStart(
  out: LinkEnd,
  asked: LinkEnd,
): { readonly nodes: FlowNode[]; readonly link: string } {
  const example = JSON.parse(readFileSync(EXAMPLE, 'utf8')) as readonly ExampleNode[];
  const filled = example
    .filter(({ type }) => type !== 'comment')
    .map((node): FlowNode => {
      const wires = TOLD.includes(node.type) ? node.wires!.map((output) => [...output, out.id]) : node.wires;
      return { ...node, ...FILLED_IN[node.type], ...(wires === undefined ? {} : { wires }) };
    });
  const end = { z: only(example, 'tab') };
  return {
    nodes: [
      ...filled,
      {
        ...{ ...end, id: asked.id, type: 'link in', name: 'compare', x: 235, y: 215, links: asked.others },
        wires: [[only(example, 'meterseal-verify')]],
      },
      {
        ...{ ...end, id: out.id, type: 'link out', name: 'page', x: 735, y: 280, links: out.others },
        mode: 'link',
        wires: [],
      },
    ],
    link: only(example, 'meterseal-link'),
  };
}

function only(nodes: readonly FlowNode[], type: string): string {
  const found = nodes.filter((node) => node.type === type);
  if (found.length === 1) return found[0]!.id;
  throw new TypeError(`${EXAMPLE} has ${found.length} nodes ${type}`);
}
