import { MetersealError } from '@meterseal/protocol';
import type { NodeConfig, Red, RedNode } from './red.js';

/*
 * Properties of nodes come from flow files: anybody's. Each is read once, when the node is made, and is what it should be
 * or the node says what is wrong.
 */

export function textOf(config: NodeConfig, name: string, standard = ''): string {
  const value = config[name];
  if (value === undefined || value === null || value === '') return standard;
  if (typeof value !== 'string') wrong(name, 'not a text');
  return value.trim();
}

export function requiredText(config: NodeConfig, name: string): string {
  const text = textOf(config, name);
  if (text === '') wrong(name, 'empty');
  return text;
}

/** The editor saves numbers as texts where they were typed, and so does an environment variable. */
export function numberOf(
  config: NodeConfig,
  name: string,
  { standard, least, most }: { standard: number; least: number; most: number },
): number {
  const value = config[name];
  if (value === undefined || value === null || value === '') return standard;
  const number = typeof value === 'string' ? Number(value) : value;
  if (typeof number !== 'number' || !(number >= least && number <= most))
    wrong(name, `not ${least} to ${most}`);
  return number;
}

export function portOf(config: NodeConfig, name: string, standard: number): number {
  const port = numberOf(config, name, { standard, least: 0, most: 65_535 });
  if (!Number.isInteger(port)) wrong(name, 'not a port');
  return port;
}

export function isSet(config: NodeConfig, name: string, standard = false): boolean {
  return config[name] === undefined ? standard : config[name] === true;
}

/** Another node that a property names. @throws MetersealError `bad-config` where it is missing or none of that kind */
export function nodeOf<T extends RedNode>(
  red: Red,
  config: NodeConfig,
  name: string,
  isKind: (node: RedNode) => node is T,
): T {
  const node = red.nodes.getNode(requiredText(config, name));
  if (node === null || !isKind(node)) wrong(name, 'not set, disabled, or not in order itself');
  return node;
}

function wrong(name: string, why: string): never {
  throw new MetersealError('bad-config', `couldn't use property ${name}: ${why}`, {
    hint: "Open the node's dialog and correct it.",
  });
}
