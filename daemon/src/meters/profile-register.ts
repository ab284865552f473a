import { parseObis } from '@meterseal/protocol';
import type { Fields } from '../host/fields.js';
import { dataRead } from '../modbus/register-read.js';
import { phaseOfObis, UNITS, unitsOfObis } from './obis-unit.js';
import type {
  Confidence,
  IdentityRegister,
  ProfileRegister,
  RegisterPlace,
  RegisterType,
} from './register.js';
import {
  BCD_TYPES,
  bytesOfBcd,
  CONFIDENCES,
  REGISTER_TYPES,
  spanOf,
  WORD_ORDERS,
  wordsOfType,
} from './register.js';

/** Properties of a register and of the serial number's place, in the order that a profile keeps. */
export const REGISTER_KEYS = [
  ...['obis', 'fc', 'at', 'data', 'type', 'wordOrder', 'unit', 'decimals', 'scaler', 'scaleAt', 'missing'],
  ...['source', 'confidence'],
];
export const SERIAL_KEYS = ['fc', 'at', 'type', 'words', 'wordOrder', 'source', 'confidence'];

const SERIAL_TYPES = ['uint16', 'uint32', 'uint64', 'text'] as const;
/** More digits than any meter measures; a scaler beyond is a mistake or worse. */
const MAX_DECIMALS = 6;
const MAX_MANTISSA = 1_000_000;
/** 32 characters. */
const MAX_SERIAL_WORDS = 16;

/** @param most registers of one request */
export function parseRegister(fields: Fields, phases: 1 | 3, most: number): ProfileRegister {
  const obis = fields.text('obis', 19);
  if (parseObis(obis)?.[0] !== 1) fields.refuse('obis', 'not an OBIS code 1-B:C.D.E of electricity');
  if ((phaseOfObis(obis) ?? 1) > phases) fields.refuse('obis', `${obis} is of a phase that the meter lacks`);
  const place = fields.has('data') ? parseDataPlace(fields, most) : parsePlace(fields, REGISTER_TYPES, most);
  const unit = fields.oneOf('unit', UNITS);
  const fitting = unitsOfObis(obis);
  if (fitting?.includes(unit) === false) {
    fields.refuse('unit', `${unit} under ${obis}, which is in ${fitting.join(' or ')}`);
  }
  const decimals = fields.integer('decimals', 0, MAX_DECIMALS);
  let scaler = { mantissa: 1, exponent: 0 };
  if (fields.has('scaler')) {
    const given = fields.object('scaler', ['mantissa', 'exponent']);
    scaler = {
      mantissa: given.integer('mantissa', -MAX_MANTISSA, MAX_MANTISSA),
      exponent: given.integer('exponent', -MAX_DECIMALS, MAX_DECIMALS),
    };
    if (scaler.mantissa === 0) given.refuse('mantissa', '0: every reading would be');
  }
  if (!place.type.startsWith('float') && decimals < -scaler.exponent) {
    fields.refuse('decimals', 'fewer than the scaler has: digits of the register would be lost');
  }
  const scaleAt = parseScaleAt(fields, place, most);
  const missing = parseMissing(fields, wordsOfType(place.type));
  return { obis, ...place, unit, decimals, scaler, scaleAt, missing, ...parseFact(fields) };
}

/** Of a DL/T 645 meter: an identifier in place of registers, digits in place of a number of bits. */
function parseDataPlace(fields: Fields, most: number): RegisterPlace {
  const identifier = fields.text('data', 8);
  if (!/^[0-9a-f]{8}$/.test(identifier)) fields.refuse('data', 'not 8 hex digits in lower case');
  // ff in one of its bytes asks for a block of values.
  if (/^(..)*ff/.test(identifier)) fields.refuse('data', 'a block, not one value');
  for (const key of ['fc', 'at', 'wordOrder', 'scaler', 'scaleAt', 'missing']) {
    if (fields.has(key)) fields.refuse(key, 'data has none: an identifier and its digits say it all');
  }
  const type = fields.oneOf('type', BCD_TYPES);
  const data = { identifier, bytes: bytesOfBcd(type) };
  const { fc, at, count } = dataRead(data);
  if (count > most)
    fields.refuse('type', `${count} words with its identifier, but limits.registers is ${most}`);
  return { fc, at, type, wordOrder: 'big', data };
}

function parseScaleAt(fields: Fields, place: RegisterPlace, most: number): number | undefined {
  if (!fields.has('scaleAt')) return undefined;
  if (place.type.startsWith('float')) fields.refuse('scaleAt', 'a float has its own');
  const scaleAt = fields.integer('scaleAt', 0, 65_535);
  const { from, end } = spanOf({ ...place, scaleAt });
  if (end - from > most) {
    fields.refuse('scaleAt', `${end - from} registers away, and one request takes ${most}`);
  }
  return scaleAt;
}

export function parseSerial(fields: Fields, most: number): IdentityRegister {
  if (fields.oneOf('type', SERIAL_TYPES) !== 'text') {
    if (fields.has('words')) fields.refuse('words', 'only a text has a length of its own');
    return { ...parsePlace(fields, ['uint16', 'uint32', 'uint64'], most), ...parseFact(fields) };
  }
  const words = fields.integer('words', 1, Math.min(most, MAX_SERIAL_WORDS));
  if (fields.has('wordOrder')) fields.refuse('wordOrder', 'a text is read as it stands');
  const fc = fields.oneOf('fc', [3, 4] as const);
  return { fc, at: fields.integer('at', 0, 65_536 - words), type: 'text', words, ...parseFact(fields) };
}

function parsePlace(fields: Fields, types: readonly RegisterType[], most: number): RegisterPlace {
  const type = fields.oneOf('type', types);
  const words = wordsOfType(type);
  if (words > most) fields.refuse('type', `${words} registers, but limits.registers is ${most}`);
  if (words === 1 && fields.has('wordOrder')) fields.refuse('wordOrder', 'one word has no order');
  return {
    fc: fields.oneOf('fc', [3, 4] as const),
    at: fields.integer('at', 0, 65_536 - words),
    type,
    wordOrder: words === 1 ? 'big' : fields.oneOf('wordOrder', WORD_ORDERS),
  };
}

function parseMissing(fields: Fields, words: number): string | undefined {
  if (!fields.has('missing')) return undefined;
  const missing = fields.text('missing', 16);
  if (!/^[0-9a-f]+$/.test(missing) || missing.length !== 4 * words) {
    fields.refuse('missing', `not ${4 * words} hex digits in lower case`);
  }
  return missing;
}

/** Who says so. Two sources are divided by a comma. */
function parseFact(fields: Fields): { readonly source: string; readonly confidence: Confidence } {
  const source = fields.text('source', 200);
  const confidence = fields.oneOf('confidence', CONFIDENCES);
  if (confidence === 'proven' && !/[^, ], [^, ]/.test(source)) {
    fields.refuse('confidence', 'proven by one source; it takes two that agree, written "one, other"');
  }
  return { source, confidence };
}
