import { resolve } from 'node:path';
import { systemClock } from '@meterseal/node-red-meterseal/core';
import { LinkController } from '../controllers/link.js';
import { tcpPortWitness } from '../controllers/port-witness.js';
import { answer, onClose, setUp, tell } from './guard.js';
import { isPlatformNode } from './platform-node.js';
import { isSet, nodeOf, numberOf, portOf, requiredText, textOf } from './properties.js';
import type { NodeConfig, NodeConstructor, Red, RedNode } from './red.js';

export interface LinkNode extends RedNode {
  /** Undefined where its properties are not in order. */
  link: LinkController | undefined;
}

export function isLinkNode(node: RedNode): node is LinkNode {
  return (node as LinkNode).link !== undefined;
}

/** The link that a node's property names. */
export function linkOf(red: Red, config: NodeConfig): LinkController {
  return nodeOf(red, config, 'link', isLinkNode).link!;
}

/** Config node: one collector, with its folder, its key and its way to the gate. */
export function linkNode(red: Red): NodeConstructor {
  serveKeys(red);
  return function (this: RedNode, config) {
    red.nodes.createNode(this, config);
    const node = this as LinkNode;
    setUp(red, node, () => {
      const comparisonHost = textOf(config, 'comparisonHost');
      const platform = nodeOf(red, config, 'platform', isPlatformNode).platform!;
      const settings = {
        platform,
        dir: resolve(red.settings.userDir ?? '.', requiredText(config, 'dir')),
        control: {
          host: textOf(config, 'controlHost', '127.0.0.1'),
          port: portOf(config, 'controlPort', 7411),
          ...(comparisonHost === '' ? {} : { comparisonHost }),
        },
        maxWindow: 1_000 * numberOf(config, 'maxWindow', { standard: 30, least: 1, most: 3_600 }),
        anchoringDelay:
          1_000 * numberOf(config, 'anchoringDelay', { standard: 3_600, least: 1, most: 604_800 }),
      };
      const link = new LinkController(settings, {
        clock: systemClock,
        witness: isSet(config, 'witness', true) ? tcpPortWitness : undefined,
        onError: (error) => tell(node, error),
      });
      node.link = link;
      onClose(node, () => link.close());
    });
  };
}

/** The editor shows a link's public key, so that it can be given to the box. */
function serveKeys(red: Red): void {
  red.httpAdmin.get(
    '/meterseal/links/:id/key',
    red.auth.needsPermission('flows.read'),
    answer(async ({ params }) => {
      const node = red.nodes.getNode(params['id'] ?? '');
      // One that is not deployed yet, or not in order, has none.
      return { key: node !== null && isLinkNode(node) ? await node.link!.publicKey() : null };
    }),
  );
}
