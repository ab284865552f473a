import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import type { Platform } from '../controllers/platform.js';
import { platformOf } from '../controllers/platform.js';
import { setUp } from './guard.js';
import { requiredText, textOf } from './properties.js';
import type { NodeConfig, NodeConstructor, Red, RedNode } from './red.js';

export interface PlatformNode extends RedNode {
  /** Undefined where its properties are not in order. */
  platform: Platform | undefined;
}

export function isPlatformNode(node: RedNode): node is PlatformNode {
  return (node as PlatformNode).platform !== undefined;
}

/** Config node: whose chain is believed. */
export function platformNode(red: Red): NodeConstructor {
  return function (this: RedNode, config) {
    red.nodes.createNode(this, config);
    const node = this as PlatformNode;
    setUp(red, node, () => {
      node.platform = platformOf(requiredText(config, 'platformId'), policyOf(red, config));
    });
  };
}

/** The policy itself, or the file that it is in. */
function policyOf(red: Red, config: NodeConfig): string {
  if (textOf(config, 'policyFrom', 'text') !== 'file') return `${requiredText(config, 'policy')}\n`;
  const path = resolve(red.settings.userDir ?? '.', requiredText(config, 'policyFile'));
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't read policy: ${path} cannot be opened`, {
      hint: 'The box writes it at its first start; check the path, and that Node-RED may read it.',
      cause,
    });
  }
}
