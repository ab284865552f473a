import { MetersealError } from '@meterseal/protocol';
import { at, refuse } from './refusal.js';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/**
 * A duration with its unit, `250ms` or `15s`, in milliseconds.
 *
 * @throws MetersealError `bad-config`
 */
export function parseDuration(text: string): number {
  const match = /^([1-9][0-9]{0,8})(ms|s|m|h|d)$/.exec(text);
  if (match === null) {
    throw new MetersealError('bad-config', `couldn't read duration ${JSON.stringify(text)}`, {
      hint: 'Write a number and its unit: 250ms, 15s, 5m, 24h, 7d.',
    });
  }
  return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}

/**
 * A duration of the configuration, with its bounds.
 *
 * @throws MetersealError `bad-config`, with its place
 */
export function durationBetween(place: string, text: string, least: string, most: string): number {
  const ms = at(place, () => parseDuration(text));
  if (ms >= parseDuration(least) && ms <= parseDuration(most)) return ms;
  return refuse(`${place}: ${text} is not between ${least} and ${most}`);
}
