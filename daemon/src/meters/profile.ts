import { compareObis, MAX_PROFILE_REGISTERS, MetersealError, parseObis } from '@meterseal/protocol';
import { DATA_FILE_NAME, parseDataFile } from '../host/data-file.js';
import { Fields } from '../host/fields.js';
import type { LineSettings } from '../modbus/address.js';
import { BAUD_RATES, PARITIES } from '../modbus/address.js';
import { profileDigest } from './profile-digest.js';
import { parseRegister, parseSerial, REGISTER_KEYS, SERIAL_KEYS } from './profile-register.js';
import type { IdentityRegister, ProfileRegister } from './register.js';
import { wordsOfType } from './register.js';

/** A meter model as data. What it says about the line are defaults for the operator. */
export interface Profile {
  /** `manufacturer/model`, as in the file's path. */
  readonly name: string;
  /** `name@` and the digest of what changes the meaning of a reading: stands in every record. */
  readonly id: string;
  readonly title: string;
  readonly phases: 1 | 3;
  /** What a source gives of it; the rest has to be in the bus address. */
  readonly line: Partial<LineSettings>;
  readonly limits: ProfileLimits;
  /** Where the meter keeps its serial number, if it is known. */
  readonly serial: IdentityRegister | undefined;
  /** In the order of their OBIS codes. */
  readonly registers: readonly ProfileRegister[];
}

export interface ProfileLimits {
  /** Most registers of one request. */
  readonly registers: number;
  /** Most registers between two of the profile that may be read along. */
  readonly gap: number;
  /** Least time between an answer and the next request to this meter. */
  readonly pauseMs: number;
}

const TOP = ['$schema', 'name', 'title', 'phases', 'line', 'limits', 'identity', 'registers'];
const LINE = ['baud', 'data', 'parity', 'stop', 'source'];
const LIMITS = ['registers', 'gap', 'pauseMs'];

/**
 * Reads a profile: the one parser, and so the lint.
 *
 * @param text the file, JSON5
 * @param name `manufacturer/model` by which it was asked for
 * @throws MetersealError `bad-profile` with the path of what is wrong, and the register's code
 */
export function parseProfile(text: string, name: string): Profile {
  let root: unknown;
  const refuse = (path: string, why: string): never => {
    throw new MetersealError(
      'bad-profile',
      `couldn't read profile ${JSON.stringify(name)}: ${path}${codeAt(root, path)}: ${why}`,
      {
        hint: 'hw-profiles/profile.schema.json says what belongs into a profile',
      },
    );
  };
  if (!DATA_FILE_NAME.test(name)) refuse('name', 'not manufacturer/model in lower case');
  root = parseDataFile(text, refuse);
  const top = new Fields(root, '', TOP, refuse);
  if (top.has('$schema')) top.text('$schema', 200);
  if (top.text('name', 81) !== name) top.refuse('name', `not ${name}`);
  const phases = top.oneOf('phases', [1, 3] as const);
  const limits = top.object('limits', LIMITS);
  const most = limits.integer('registers', 1, 125);
  const registers = top
    .list('registers', MAX_PROFILE_REGISTERS)
    .map((item, i) =>
      parseRegister(new Fields(item, `registers[${i}]`, REGISTER_KEYS, refuse), phases, most),
    );
  refuseTwins(registers, refuse);
  registers.sort((a, b) => compareObis(parseObis(a.obis)!, parseObis(b.obis)!));
  const serial = top.has('identity')
    ? parseSerial(top.object('identity', ['serial']).object('serial', SERIAL_KEYS), most)
    : undefined;
  if (serial !== undefined && registers.some(({ data }) => data !== undefined)) {
    top.refuse('identity', 'a DL/T 645 meter has no registers for it');
  }
  return {
    name,
    id: `${name}@${profileDigest(registers, serial)}`,
    title: top.text('title', 80),
    phases,
    line: top.has('line') ? parseLine(top.object('line', LINE)) : {},
    limits: {
      registers: most,
      gap: limits.integer('gap', 0, 125),
      pauseMs: limits.integer('pauseMs', 0, 1_000),
    },
    serial,
    registers,
  };
}

/** Whether meters of this kind speak DL/T 645: then their unit is the address of 12 digits. */
export function speaksDlt645({ registers }: Profile): boolean {
  return registers.some(({ data }) => data !== undefined);
}

/** The registers of a reading: `unproven` ones only where the operator has accepted them. */
export function readingRegisters(profile: Profile, acceptUnproven = false): readonly ProfileRegister[] {
  return profile.registers.filter(({ confidence }) => acceptUnproven || confidence !== 'unproven');
}

/** Of a path below `registers[3]` the code of that register, for people who do not count; empty for other paths. */
function codeAt(root: unknown, path: string): string {
  const [, index] = /^registers\[(\d+)\]/.exec(path) ?? [];
  const registers = (root as { registers?: readonly ({ obis?: unknown } | null)[] } | undefined)?.registers;
  const obis = index === undefined ? undefined : registers?.[Number(index)]?.obis;
  return parseObis(obis) === undefined ? '' : ` (${obis})`;
}

/** Settings as delivered, as far as a source gives them. */
function parseLine(line: Fields): Partial<LineSettings> {
  line.text('source', 200);
  return {
    ...(line.has('baud') ? { baud: line.oneOf('baud', BAUD_RATES) } : {}),
    ...(line.has('data') ? { data: line.oneOf('data', [8] as const) } : {}),
    ...(line.has('parity') ? { parity: line.oneOf('parity', PARITIES) } : {}),
    ...(line.has('stop') ? { stop: line.oneOf('stop', [1, 2] as const) } : {}),
  };
}

/** No OBIS code twice, and no word in two registers; several may share the word of a scale factor. */
function refuseTwins(
  registers: readonly ProfileRegister[],
  refuse: (path: string, why: string) => never,
): void {
  const codes = new Map<string, number>();
  const words = new Map<number, number>();
  const wordAt = (fc: number, at: number): number => fc * 65_536 + at;
  const items = new Map<string, number>();
  for (const [i, { obis, fc, at, type, data }] of registers.entries()) {
    const path = `registers[${i}]`;
    if ((data === undefined) !== (registers[0]!.data === undefined)) {
      refuse(path, 'registers and data in one profile: a meter speaks either Modbus or DL/T 645');
    }
    if (codes.has(obis)) refuse(`${path}.obis`, `${obis} stands in registers[${codes.get(obis)}] too`);
    codes.set(obis, i);
    if (data !== undefined) {
      const known = items.get(data.identifier);
      if (known !== undefined) refuse(`${path}.data`, `stands in registers[${known}] too`);
      items.set(data.identifier, i);
      continue;
    }
    for (let word = 0; word < wordsOfType(type); word++) {
      const key = wordAt(fc, at + word);
      if (words.has(key)) refuse(`${path}.at`, `overlaps registers[${words.get(key)}]`);
      words.set(key, i);
    }
  }
  for (const [i, { fc, scaleAt }] of registers.entries()) {
    const taken = scaleAt === undefined ? undefined : words.get(wordAt(fc, scaleAt));
    if (taken !== undefined) refuse(`registers[${i}].scaleAt`, `overlaps registers[${taken}]`);
  }
}
