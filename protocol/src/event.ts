import canonicalize from 'canonicalize';
import { fromUtf8, utf8 } from './bytes.js';
import { MetersealError } from './errors.js';
import { MAX_EVENT_BYTES, MAX_INTEGER } from './limits.js';

export const EVENT_KINDS = [
  'boot',
  'clock-step',
  'disk-low',
  'disk-full',
  'ballast-spent',
  'fault',
  'revocation',
  'meter-changed',
  'meter-exchanged',
  'conflict',
  'rejections',
  'replaced',
  'restored',
  'pruned',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** Values of an event are integers, short codes, hashes in hex, or lists of integers: never IDs or free text. */
export type EventValue = number | string | boolean | readonly number[];
export type EventBody = { readonly kind: EventKind } & Readonly<Record<string, EventValue>>;

const KEY = /^[a-z][A-Za-z0-9]{0,31}$/;
const CODE = /^[a-z0-9][a-z0-9-]{0,63}$/;

/** @throws MetersealError `bad-entry` */
export function encodeEvent(event: EventBody): Uint8Array {
  checkEvent(event);
  const bytes = utf8(canonicalize(event)!);
  if (bytes.length > MAX_EVENT_BYTES) refuse(`${bytes.length} bytes, at most ${MAX_EVENT_BYTES} allowed`);
  return bytes;
}

/** @throws MetersealError `bad-entry` */
export function decodeEvent(bytes: Uint8Array): EventBody {
  if (bytes.length > MAX_EVENT_BYTES) refuse(`${bytes.length} bytes, at most ${MAX_EVENT_BYTES} allowed`);
  const text = fromUtf8(bytes, 'bad-entry');
  let event: unknown;
  try {
    event = JSON.parse(text);
  } catch (cause) {
    throw new MetersealError('bad-entry', "couldn't decode event: not JSON", { cause });
  }
  checkEvent(event);
  if (canonicalize(event) !== text) refuse('not in the canonical form of RFC 8785');
  return event;
}

/** @throws MetersealError `bad-entry` */
export function checkEvent(event: unknown): asserts event is EventBody {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) refuse('not an object');
  for (const [key, value] of Object.entries(event)) {
    if (!KEY.test(key)) refuse('a key that is not a short name');
    if (!isEventValue(value)) refuse(`${key} is not an integer, a code, or a list of integers`);
  }
  const kind = (event as Record<string, unknown>)['kind'];
  if (!EVENT_KINDS.some((known) => known === kind)) refuse('an unknown kind');
}

function isEventValue(value: unknown): boolean {
  if (typeof value === 'string') return CODE.test(value);
  if (Array.isArray(value)) return value.length <= 64 && value.every(isInteger);
  return typeof value === 'boolean' || isInteger(value);
}

function isInteger(value: unknown): boolean {
  return Number.isInteger(value) && !Object.is(value, -0) && Math.abs(value as number) <= MAX_INTEGER;
}

function refuse(why: string): never {
  throw new MetersealError('bad-entry', `couldn't accept event: ${why}`);
}
