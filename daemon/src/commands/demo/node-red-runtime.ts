import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MetersealError } from '@meterseal/protocol';

/** A Node-RED, and the Node that it is started with. */
export type NodeRedRuntime = { readonly node: string; readonly script: string };

const RUNTIME = fileURLToPath(new URL('../../../../node-red-nodes/runtime/node_modules', import.meta.url));
/** What Node-RED 5 needs at least. */
const LEAST_NODE = [22, 9] as const;

/**
 * Node-RED 5 of the checkout, on this very Node if it is new enough, else on the one that lies beside it.
 *
 * @throws MetersealError `file-missing` where it was not set up
 */
export function nodeRedRuntime(): NodeRedRuntime {
  const script = join(RUNTIME, 'node-red', 'red.js');
  const node = isNewEnough() ? process.execPath : pinnedNode();
  for (const file of [script, node]) {
    if (existsSync(file)) continue;
    throw new MetersealError('file-missing', `couldn't start Node-RED: ${file} is not here`, {
      hint: 'npm start sets it up. Without Node-RED: meterseal demo --headless.',
    });
  }
  return { node, script };
}

/** The Node of the checkout, whatever Node runs now. */
export function pinnedNode(): string {
  return join(RUNTIME, `node-${process.platform}-${process.arch}`, 'bin', 'node');
}

function isNewEnough(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
}
