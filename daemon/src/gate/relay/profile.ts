import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import { DATA_FILE_NAME, parseDataFile, profileFolder, readDataFile } from '../../host/data-file.js';
import { Fields } from '../../host/fields.js';
import type { LineSettings } from '../../modbus/address.js';
import { BAUD_RATES, PARITIES } from '../../modbus/address.js';

/** Coils or inputs of a board, on the wire from `at`. */
export type BitRow = { readonly at: number; readonly count: number };

/** A pulse that the board itself ends: FC 05 at `at` + channel closes for value × `unitMs`. */
export type BoardPulse = { readonly at: number; readonly unitMs: number; readonly most: number };

/** A board of relays or inputs as data. What it says about line and unit are defaults for the operator. */
export type RelayProfile = {
  /** `manufacturer/model`, as in the file's path. */
  readonly name: string;
  readonly title: string;
  readonly line: LineSettings;
  readonly unit: number;
  readonly coils: BitRow | undefined;
  readonly pulse: BoardPulse | undefined;
  readonly inputs: BitRow | undefined;
};

const CONFIDENCES = ['proven', 'single-source', 'unproven'] as const;
const FACT = ['source', 'confidence'];
/** More than any board has. */
const MAX_ROW = 64;

/**
 * Reads a profile: the one parser, and so the lint.
 *
 * @param text the file, JSON5
 * @param name `manufacturer/model` by which it was asked for
 * @throws MetersealError `bad-profile` with the path of what is wrong
 */
export function parseRelayProfile(text: string, name: string): RelayProfile {
  const refuse = (path: string, why: string): never => {
    throw new MetersealError(
      'bad-profile',
      `couldn't read relay profile ${JSON.stringify(name)}: ${path}: ${why}`,
      { hint: 'hw-profiles/relay.schema.json says what belongs into a profile' },
    );
  };
  if (!DATA_FILE_NAME.test(name)) refuse('name', 'not manufacturer/model in lower case');
  const known = ['$schema', 'name', 'title', 'line', 'unit', 'coils', 'pulse', 'inputs'];
  const top = new Fields(parseDataFile(text, refuse), '', known, refuse);
  if (top.has('$schema')) top.text('$schema', 200);
  if (top.text('name', 81) !== name) top.refuse('name', `not ${name}`);
  const line = top.object('line', ['baud', 'data', 'parity', 'stop']);
  return {
    name,
    title: top.text('title', 80),
    line: {
      baud: line.oneOf('baud', BAUD_RATES),
      data: line.oneOf('data', [8] as const),
      parity: line.oneOf('parity', PARITIES),
      stop: line.oneOf('stop', [1, 2] as const),
    },
    unit: top.integer('unit', 1, 255),
    coils: rowOf(top, 'coils'),
    pulse: pulseOf(top),
    inputs: rowOf(top, 'inputs'),
  };
}

/** @throws MetersealError `unknown-profile`, `bad-profile` */
export function loadRelayProfile(name: string, folder = join(profileFolder(), 'relays')): RelayProfile {
  return parseRelayProfile(readDataFile(name, folder, 'relay profile'), name);
}

function rowOf(top: Fields, key: 'coils' | 'inputs'): BitRow | undefined {
  if (!top.has(key)) return undefined;
  const row = top.object(key, ['at', 'count', ...FACT]);
  checkFact(row);
  return { at: row.integer('at', 0, 65_535), count: row.integer('count', 1, MAX_ROW) };
}

function pulseOf(top: Fields): BoardPulse | undefined {
  if (!top.has('pulse')) return undefined;
  const pulse = top.object('pulse', ['at', 'unitMs', 'most', ...FACT]);
  checkFact(pulse);
  return {
    at: pulse.integer('at', 0, 65_535),
    unitMs: pulse.integer('unitMs', 1, 1_000),
    most: pulse.integer('most', 1, 65_535),
  };
}

function checkFact(fields: Fields): void {
  fields.text('source', 200);
  fields.oneOf('confidence', CONFIDENCES);
}
