import canonicalize from 'canonicalize';
import { fromUtf8, isWellFormed, utf8 } from './bytes.js';
import type { Hasher } from './crypto.js';
import { MetersealError } from './errors.js';
import {
  MAX_DECIMAL_LENGTH,
  MAX_INTEGER,
  MAX_METER_ID_LENGTH,
  MAX_RAW_WORDS,
  MAX_RECORD_BYTES,
  MAX_RECORD_ITEMS,
} from './limits.js';
import { compareObis, parseObis } from './obis.js';

/*
 * The reading record: one JSON object in the RFC 8785 form, at most 16 KiB.
 *
 *   {"clock":…,"identity":…,"meter":…,"profile":…,"raw":[…],"salt":…,"seq":…,"span":…,
 *    "sw":…,"time":…,"v":0,"values":[…],"void":{…}}            `void` only in a void record
 *
 * A decoder re-encodes and compares: one reading has one byte string.
 */

export const CLOCK_STATES = ['synchronised', 'holdover', 'unsynchronised', 'stepped'] as const;
export type ClockState = (typeof CLOCK_STATES)[number];

export const IDENTITY_STATES = ['confirmed', 'changed', 'none'] as const;
export type IdentityState = (typeof IDENTITY_STATES)[number];

export const QUALITIES = ['stale', 'implausible', 'missing'] as const;
export type Quality = (typeof QUALITIES)[number];

/** A value with its unit; `quality` stands only when it is not good, and `missing` has no value. */
export type RecordValue = {
  readonly obis: string;
  readonly unit: string;
  readonly value?: string;
  readonly quality?: Quality;
};

/** Registers as read: function code, first address, words in lower-case hex. */
export type RawBlock = { readonly fc: 3 | 4; readonly at: number; readonly words: string };

/** Fills a sequence number that the platform refused for good; `replaces` is the refused reading's hash in hex. */
export type VoidMark = { readonly reason: string; readonly replaces: string };

export type ReadingRecord = {
  readonly v: 0;
  readonly meter: string;
  /** Per meter, from 1, gap-free. */
  readonly seq: number;
  /** When the last register was sampled: `YYYY-MM-DDThh:mm:ss.sssZ`. */
  readonly time: string;
  /** Milliseconds from the first to the last sampled register. */
  readonly span: number;
  readonly clock: ClockState;
  readonly identity: IdentityState;
  readonly profile: string;
  readonly sw: string;
  readonly values: readonly RecordValue[];
  readonly raw: readonly RawBlock[];
  /** 16 random bytes in base64url. */
  readonly salt: string;
  readonly void?: VoidMark;
};

/** Keys in the order of RFC 8785. */
const RECORD_KEYS = [
  'clock',
  'identity',
  'meter',
  'profile',
  'raw',
  'salt',
  'seq',
  'span',
  'sw',
  'time',
  'v',
  'values',
];
const VOID_RECORD_KEYS = [...RECORD_KEYS, 'void'];
const VALUE_KEYS = ['obis', 'unit', 'value'];
const DOUBTFUL_VALUE_KEYS = ['obis', 'quality', 'unit', 'value'];
const MISSING_VALUE_KEYS = ['obis', 'quality', 'unit'];
const RAW_KEYS = ['at', 'fc', 'words'];
const VOID_KEYS = ['reason', 'replaces'];
const METER_ID = new RegExp(`^[A-Za-z0-9._:-]{1,${MAX_METER_ID_LENGTH}}$`);
const PROFILE = /^[a-z0-9][a-z0-9-]{0,31}\/[a-z0-9][a-z0-9.-]{0,47}@[0-9a-f]{16}$/;
const DECIMAL = /^(?:0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)\.[0-9]+)$/;
const MINUS_ZERO = /^-[0.]+$/;
/** 16 bytes in base64url; the last character carries 2 bits of them, the other 4 are zero. */
const SALT = /^[A-Za-z0-9_-]{21}[AQgw]$/;
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

export function isMeterId(text: unknown): text is string {
  return typeof text === 'string' && METER_ID.test(text);
}

/** A decimal as records hold it: no sign of plus, no leading zeros, no exponent, no minus zero. */
export function isDecimal(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    text.length <= MAX_DECIMAL_LENGTH &&
    DECIMAL.test(text) &&
    !MINUS_ZERO.test(text)
  );
}

/** Milliseconds since 1970 as the record's `time`. */
export function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** The record's `time` in milliseconds since 1970; only the one form that `formatTime` writes. */
export function parseTime(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms) || formatTime(ms) !== text)
    refuse('time', 'not a time of the form YYYY-MM-DDThh:mm:ss.sssZ');
  return ms;
}

/**
 * The record's bytes. Everything that the decoder would refuse is refused here too, so no record can be made
 * that cannot be read again.
 *
 * @throws MetersealError `bad-record`
 */
export function encodeRecord(record: ReadingRecord): Uint8Array {
  const bytes = utf8(canonicalText(record));
  decodeRecord(bytes);
  return bytes;
}

/**
 * A record from its bytes, exactly as `encodeRecord` writes it.
 *
 * @throws MetersealError `bad-record`
 */
export function decodeRecord(bytes: Uint8Array): ReadingRecord {
  if (bytes.length > MAX_RECORD_BYTES)
    refuse('record', `${bytes.length} bytes, at most ${MAX_RECORD_BYTES} allowed`);
  const text = fromUtf8(bytes, 'bad-record');
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch (cause) {
    throw new MetersealError('bad-record', "couldn't decode record: not JSON", { cause });
  }
  check(record);
  // RFC 8785 takes numbers and strings from ECMAScript's JSON.stringify, which keeps the order of the keys, and the
  // check has seen that this is the canonical one.
  if (JSON.stringify(record) !== text) refuse('record', 'not in the canonical form of RFC 8785');
  return record;
}

/** SHA-256 of the record's bytes. */
export function readingHash(hasher: Hasher, record: Uint8Array): Uint8Array {
  return hasher.sha256(record);
}

function canonicalText(record: ReadingRecord): string {
  try {
    return canonicalize(record) ?? '';
  } catch (cause) {
    throw new MetersealError('bad-record', "couldn't encode record: it has no canonical form", { cause });
  }
}

function refuse(where: string, why: string): never {
  throw new MetersealError('bad-record', `couldn't accept record: ${where}: ${why}`);
}

function check(record: unknown): asserts record is ReadingRecord {
  const object = objectAt(record, 'record');
  const isVoid = Object.hasOwn(object, 'void');
  exactKeys(object, isVoid ? VOID_RECORD_KEYS : RECORD_KEYS, 'record');
  if (object['v'] !== 0) refuse('v', 'not 0');
  if (!isMeterId(object['meter'])) refuse('meter', 'not 1–64 of A-Za-z0-9._:-');
  integerAt(object['seq'], 1, MAX_INTEGER, 'seq');
  textAt(object['time'], 24, 'time');
  parseTime(object['time']);
  integerAt(object['span'], 0, MAX_INTEGER, 'span');
  memberAt(object['clock'], CLOCK_STATES, 'clock');
  memberAt(object['identity'], IDENTITY_STATES, 'identity');
  if (typeof object['profile'] !== 'string' || !PROFILE.test(object['profile'])) {
    refuse('profile', 'not manufacturer/model@ and 16 hex digits');
  }
  textAt(object['sw'], 64, 'sw');
  if (typeof object['salt'] !== 'string' || !SALT.test(object['salt'])) {
    refuse('salt', 'not 16 bytes in canonical base64url');
  }
  checkValues(object['values']);
  checkRaw(object['raw']);
  if (isVoid) checkVoid(object);
}

function checkValues(values: unknown): void {
  let previous: readonly number[] | undefined;
  for (const [i, item] of listAt(values, 'values').entries()) {
    const where = `values[${i}]`;
    const value = objectAt(item, where);
    const doubtful = Object.hasOwn(value, 'quality');
    const missing = doubtful && value['quality'] === 'missing';
    exactKeys(value, missing ? MISSING_VALUE_KEYS : doubtful ? DOUBTFUL_VALUE_KEYS : VALUE_KEYS, where);
    if (!missing && !isDecimal(value['value'])) refuse(`${where}.value`, 'not a decimal');
    if (doubtful) memberAt(value['quality'], QUALITIES, `${where}.quality`);
    textAt(value['unit'], 16, `${where}.unit`);
    const obis = parseObis(value['obis']);
    if (obis === undefined) refuse(`${where}.obis`, 'not an OBIS code A-B:C.D.E');
    if (previous !== undefined && compareObis(previous, obis) >= 0) {
      refuse(`${where}.obis`, 'not in rising order of the numbers of the OBIS code');
    }
    previous = obis;
  }
}

function checkRaw(raw: unknown): void {
  for (const [i, item] of listAt(raw, 'raw').entries()) {
    const where = `raw[${i}]`;
    const block = objectAt(item, where);
    exactKeys(block, RAW_KEYS, where);
    if (block['fc'] !== 3 && block['fc'] !== 4) refuse(`${where}.fc`, 'not 3 or 4');
    integerAt(block['at'], 0, 65_535, `${where}.at`);
    const words = block['words'];
    if (typeof words !== 'string' || !/^(?:[0-9a-f]{4})+$/.test(words) || words.length > 4 * MAX_RAW_WORDS) {
      refuse(`${where}.words`, `not 1 to ${MAX_RAW_WORDS} register words in lower-case hex`);
    }
    if ((block['at'] as number) + words.length / 4 > 65_536)
      refuse(`${where}.words`, 'beyond the last register');
  }
}

function checkVoid(record: Readonly<Record<string, unknown>>): void {
  const mark = objectAt(record['void'], 'void');
  exactKeys(mark, VOID_KEYS, 'void');
  if (typeof mark['reason'] !== 'string' || !/^[a-z][a-z-]{0,63}$/.test(mark['reason'])) {
    refuse('void.reason', 'not a code in lower case');
  }
  if (typeof mark['replaces'] !== 'string' || !/^[0-9a-f]{64}$/.test(mark['replaces'])) {
    refuse('void.replaces', 'not a hash in lower-case hex');
  }
  if ((record['values'] as unknown[]).length > 0 || (record['raw'] as unknown[]).length > 0) {
    refuse('void', 'a void record has no values and no raw words');
  }
}

function objectAt(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse(where, 'not an object');
  return value as Record<string, unknown>;
}

function listAt(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) refuse(where, 'not a list');
  if (value.length > MAX_RECORD_ITEMS) refuse(where, `more than ${MAX_RECORD_ITEMS} items`);
  return value;
}

/** @param keys all of them, in the order of RFC 8785 */
function exactKeys(object: Readonly<Record<string, unknown>>, keys: readonly string[], where: string): void {
  const present = Object.keys(object);
  if (present.length === keys.length && present.every((key, i) => key === keys[i])) return;
  for (const key of keys) if (!Object.hasOwn(object, key)) refuse(where, `${key} is missing`);
  for (const key of present)
    if (!keys.includes(key)) refuse(where, `unknown key ${JSON.stringify(key.slice(0, 40))}`);
  refuse(where, 'keys out of order');
}

function integerAt(value: unknown, least: number, most: number, where: string): asserts value is number {
  if (
    !Number.isInteger(value) ||
    Object.is(value, -0) ||
    (value as number) < least ||
    (value as number) > most
  ) {
    refuse(where, `not an integer in ${least}…${most}`);
  }
}

function textAt(value: unknown, most: number, where: string): asserts value is string {
  // Characters are code points, as they are counted elsewhere than in JavaScript.
  if (typeof value !== 'string' || value.length < 1 || (value.length > most && [...value].length > most))
    refuse(where, `not a text of 1–${most} characters`);
  if (CONTROL.test(value)) refuse(where, 'control characters');
  if (!isWellFormed(value)) refuse(where, 'unpaired surrogates');
}

function memberAt(value: unknown, members: readonly string[], where: string): void {
  if (typeof value !== 'string' || !members.includes(value))
    refuse(where, `not one of ${members.join(', ')}`);
}
