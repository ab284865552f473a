import { createHash } from 'node:crypto';
import { compareObis, MAX_PROFILE_REGISTERS, MetersealError, parseObis } from '@meterseal/protocol';
import canonicalize from 'canonicalize';
import { DATA_FILE_NAME, parseDataFile } from '../host/data-file.js';
import { Fields } from '../host/fields.js';
import type { LineSettings } from '../modbus/address.js';
import { BAUD_RATES, PARITIES } from '../modbus/address.js';
import type { Confidence, ProfileRegister, RegisterPlace } from './register.js';
import { CONFIDENCES, REGISTER_TYPES, WORD_ORDERS, wordsOfType } from './register.js';

/** A meter model as data. What it says about the line are defaults for the operator. */
export interface Profile {
  /** `manufacturer/model`, as in the file's path. */
  readonly name: string;
  /** `name@` and the digest of what changes the meaning of a reading: stands in every record. */
  readonly id: string;
  readonly title: string;
  readonly phases: 1 | 3;
  readonly line: LineSettings;
  readonly limits: ProfileLimits;
  /** Where the meter keeps its serial number, if it is known. */
  readonly serial: IdentityRegister | undefined;
  /** In the order of their OBIS codes. */
  readonly registers: readonly ProfileRegister[];
}

export interface ProfileLimits {
  /** Most registers of one request. */
  readonly registers: number;
  /** Least time between an answer and the next request to this meter. */
  readonly pauseMs: number;
}

export interface IdentityRegister extends RegisterPlace {
  readonly source: string;
  readonly confidence: Confidence;
}

/** Units of readings; `1` for a plain number. */
export const UNITS = [
  ...['kWh', 'Wh', 'kvarh', 'varh', 'kVAh', 'VAh'],
  ...['kW', 'W', 'kvar', 'var', 'kVA', 'VA', 'V', 'A', 'Hz', '%', '°', '1'],
];

const TOP = ['$schema', 'name', 'title', 'phases', 'line', 'limits', 'identity', 'registers'];
const PLACE = ['fc', 'at', 'type', 'wordOrder', 'source', 'confidence'];
const SERIAL_TYPES = ['uint16', 'uint32', 'uint64'] as const;
/** More digits than any meter measures; a scaler beyond is a mistake or worse. */
const MAX_DECIMALS = 6;

/**
 * Reads a profile: the one parser, and so the lint.
 *
 * @param text the file, JSON5
 * @param name `manufacturer/model` by which it was asked for
 * @throws MetersealError `bad-profile` with the path of what is wrong
 */
export function parseProfile(text: string, name: string): Profile {
  const refuse = (path: string, why: string): never => {
    throw new MetersealError(
      'bad-profile',
      `couldn't read profile ${JSON.stringify(name)}: ${path}: ${why}`,
      {
        hint: 'hw-profiles/profile.schema.json says what belongs into a profile',
      },
    );
  };
  if (!DATA_FILE_NAME.test(name)) refuse('name', 'not manufacturer/model in lower case');
  const top = new Fields(parseDataFile(text, refuse), '', TOP, refuse);
  if (top.has('$schema')) top.text('$schema', 200);
  if (top.text('name', 81) !== name) top.refuse('name', `not ${name}`);
  const line = top.object('line', ['baud', 'data', 'parity', 'stop']);
  const limits = top.object('limits', ['registers', 'pauseMs']);
  const most = limits.integer('registers', 1, 125);
  const registers = top
    .list('registers', MAX_PROFILE_REGISTERS)
    .map((item, i) => parseRegister(new Fields(item, `registers[${i}]`, REGISTER, refuse), most));
  refuseTwins(registers, refuse);
  registers.sort((a, b) => compareObis(parseObis(a.obis)!, parseObis(b.obis)!));
  const serial = top.has('identity')
    ? parseSerial(top.object('identity', ['serial']).object('serial', PLACE), most)
    : undefined;
  return {
    name,
    id: `${name}@${digest(registers, serial)}`,
    title: top.text('title', 80),
    phases: top.oneOf('phases', [1, 3] as const),
    line: {
      baud: line.oneOf('baud', BAUD_RATES),
      data: line.oneOf('data', [8] as const),
      parity: line.oneOf('parity', PARITIES),
      stop: line.oneOf('stop', [1, 2] as const),
    },
    limits: { registers: most, pauseMs: limits.integer('pauseMs', 0, 1_000) },
    serial,
    registers,
  };
}

/** The registers of a reading: `unproven` ones only where the operator has accepted them. */
export function readingRegisters(profile: Profile, acceptUnproven = false): readonly ProfileRegister[] {
  return profile.registers.filter(({ confidence }) => acceptUnproven || confidence !== 'unproven');
}

const REGISTER = ['obis', ...PLACE, 'unit', 'decimals', 'scaler'];

function parseRegister(fields: Fields, most: number): ProfileRegister {
  const obis = fields.text('obis', 19);
  if (parseObis(obis)?.[0] !== 1) fields.refuse('obis', 'not an OBIS code 1-B:C.D.E of electricity');
  const place = parsePlace(fields, REGISTER_TYPES, most);
  const decimals = fields.integer('decimals', 0, MAX_DECIMALS);
  let scaler = { mantissa: 1, exponent: 0 };
  if (fields.has('scaler')) {
    const given = fields.object('scaler', ['mantissa', 'exponent']);
    scaler = {
      mantissa: given.integer('mantissa', 1, 1_000_000),
      exponent: given.integer('exponent', -MAX_DECIMALS, MAX_DECIMALS),
    };
  }
  if (place.type !== 'float32' && decimals < -scaler.exponent) {
    fields.refuse('decimals', 'fewer than the scaler has: digits of the register would be lost');
  }
  return { obis, ...place, unit: fields.oneOf('unit', UNITS), decimals, scaler };
}

function parseSerial(fields: Fields, most: number): IdentityRegister {
  return parsePlace(fields, SERIAL_TYPES, most);
}

function parsePlace(
  fields: Fields,
  types: readonly RegisterPlace['type'][],
  most: number,
): RegisterPlace & { source: string; confidence: Confidence } {
  const type = fields.oneOf('type', types);
  const words = wordsOfType(type);
  if (words > most) fields.refuse('type', `${words} registers, but limits.registers is ${most}`);
  return {
    fc: fields.oneOf('fc', [3, 4] as const),
    at: fields.integer('at', 0, 65_536 - words),
    type,
    wordOrder: fields.oneOf('wordOrder', WORD_ORDERS),
    source: fields.text('source', 200),
    confidence: fields.oneOf('confidence', CONFIDENCES),
  };
}

/** No OBIS code twice, and no word in two registers. */
function refuseTwins(
  registers: readonly ProfileRegister[],
  refuse: (path: string, why: string) => never,
): void {
  const codes = new Map<string, number>();
  const words = new Map<number, number>();
  for (const [i, { obis, fc, at, type }] of registers.entries()) {
    const path = `registers[${i}]`;
    if (codes.has(obis)) refuse(`${path}.obis`, `${obis} stands in registers[${codes.get(obis)}] too`);
    codes.set(obis, i);
    for (let word = 0; word < wordsOfType(type); word++) {
      const key = fc * 65_536 + at + word;
      if (words.has(key)) refuse(`${path}.at`, `overlaps registers[${words.get(key)}]`);
      words.set(key, i);
    }
  }
}

/** First 16 hex digits of SHA-256 over the JCS form of what the words of a reading mean. */
function digest(registers: readonly ProfileRegister[], serial: IdentityRegister | undefined): string {
  const place = ({ fc, at, type, wordOrder }: RegisterPlace): RegisterPlace => ({ fc, at, type, wordOrder });
  const meaning = {
    registers: registers.map((register) => ({
      ...place(register),
      obis: register.obis,
      unit: register.unit,
      decimals: register.decimals,
      scaler: register.scaler,
    })),
    serial: serial === undefined ? null : place(serial),
  };
  return createHash('sha256').update(canonicalize(meaning)!).digest('hex').slice(0, 16);
}
