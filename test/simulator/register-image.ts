import { readdirSync, readFileSync } from 'node:fs';
import JSON5 from 'json5';
import { LoadCurve } from './load-curve.js';
import { quantity } from './quantity.js';

interface Place {
  readonly fc: 3 | 4;
  readonly at: number;
  readonly type: string;
  /** Not there where there is one word, or a text. */
  readonly wordOrder?: 'big' | 'little';
  /** Registers of a text. */
  readonly words?: number;
}

interface Register extends Place {
  readonly obis: string;
  readonly unit: string;
  readonly decimals: number;
  readonly scaler?: { readonly mantissa: number; readonly exponent: number };
  /** Of a DL/T 645 meter: the identifier of the value. */
  readonly data?: string;
  /** Where the meter says by which power of ten it scales. */
  readonly scaleAt?: number;
}

interface ScaleFactor extends Place {
  readonly power: number;
}

interface ProfileFile {
  readonly name: string;
  readonly phases: 1 | 3;
  readonly identity?: { readonly serial: Place };
  readonly registers: readonly Register[];
}

const PROFILES = new URL('../../../hw-profiles/', import.meta.url);

/**
 * All registers of one meter at any time, from its profile's data by an encoder of the simulator's own: a
 * mistake that daemon and simulator shared could not be seen.
 */
export class RegisterImage {
  readonly profile: string;
  readonly #file: ProfileFile;
  readonly #curve: LoadCurve;
  #serial: number;

  /** @param model file name below hw-profiles without its ending, with or without the manufacturer */
  constructor(model: string, seed: number, serial: number) {
    this.#file = readProfile(model);
    this.profile = this.#file.name;
    this.#curve = new LoadCurve(seed, this.#file.phases);
    this.#serial = serial;
  }

  /** Another meter in the place of this one. */
  replaceSerial(serial: number): void {
    this.#serial = serial;
  }

  get speaksDlt645(): boolean {
    return this.#file.registers.some(({ data }) => data !== undefined);
  }

  /** The bytes of a DL/T 645 meter's value at a moment, as it sends them, or undefined where it has none. */
  data(identifier: string, seconds: number): Uint8Array | undefined {
    const register = this.#file.registers.find(({ data }) => data === identifier);
    if (register === undefined) return undefined;
    return encodeDigits(rawValue(register, this.#curve.at(seconds)) * 10 ** register.decimals, register);
  }

  /**
   * Register words at a moment, or undefined where the meter has none. Registers between those of the profile are
   * 0, as on most meters.
   */
  words(fc: number, at: number, count: number, seconds: number): number[] | undefined {
    const places: readonly (Place | Register | ScaleFactor)[] = [
      ...this.#file.registers,
      ...this.#file.registers.flatMap(scaleFactorOf),
      ...(this.#file.identity ? [this.#file.identity.serial] : []),
    ];
    const known = places.filter((place) => place.fc === fc);
    if (known.length === 0) return undefined;
    const first = Math.min(...known.map((place) => place.at));
    const end = Math.max(...known.map((place) => place.at + lengthOf(place)));
    if (at < first || at + count > end) return undefined;
    const words = new Array<number>(count).fill(0);
    const load = this.#curve.at(seconds);
    for (const place of known) {
      if (place.at >= at + count || place.at + lengthOf(place) <= at) continue;
      const value = 'obis' in place ? rawValue(place, load) : 'power' in place ? place.power : this.#serial;
      for (const [i, word] of encode(value, place).entries()) {
        const index = place.at + i - at;
        if (index >= 0 && index < count) words[index] = word;
      }
    }
    return words;
  }
}

/** Decimal digits, the least significant byte first; the sign in the top bit. */
function encodeDigits(value: number, { type }: Place): Uint8Array {
  const bytes = Number(type.slice(-2)) / 8;
  const digits = String(Math.round(Math.abs(value)))
    .padStart(2 * bytes, '0')
    .slice(-2 * bytes);
  const encoded = Buffer.from(digits, 'hex').reverse();
  if (type.startsWith('s') && value < 0) encoded[bytes - 1]! |= 0x80;
  return Uint8Array.from(encoded);
}

function readProfile(model: string): ProfileFile {
  const folders = readdirSync(PROFILES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = folders.flatMap(({ name }) =>
    readdirSync(new URL(`${name}/`, PROFILES)).map((file) => `${name}/${file.replace(/\.json5$/, '')}`),
  );
  const name = names.find((known) => known === model || known.endsWith(`/${model}`));
  if (name === undefined) throw new Error(`no profile of a model ${model}`);
  return JSON5.parse<ProfileFile>(readFileSync(new URL(`${name}.json5`, PROFILES), 'utf8'));
}

/** The power of ten by which a simulated meter scales, by the unit; others choose others. */
const SCALE_FACTORS: Readonly<Record<string, number>> = { V: -2, A: -2, Hz: -2, '1': -2 };

function powerOf({ unit, scaleAt }: Register): number {
  return scaleAt === undefined ? 0 : (SCALE_FACTORS[unit] ?? 0);
}

function scaleFactorOf(register: Register): ScaleFactor[] {
  const { fc, scaleAt } = register;
  return scaleAt === undefined ? [] : [{ fc, at: scaleAt, type: 'int16', power: powerOf(register) }];
}

function rawValue(register: Register, load: ReturnType<LoadCurve['at']>): number {
  const { obis, unit, scaler } = register;
  const perUnit = /^k(W|var|VA)$/.test(unit) ? 1_000 : /^(Wh|varh|VAh)$/.test(unit) ? 1 / 1_000 : 1;
  const factor = scaler === undefined ? 1 : scaler.mantissa * 10 ** scaler.exponent;
  return quantity(load, obis) / perUnit / factor / 10 ** powerOf(register);
}

function lengthOf({ type, words = 1 }: Place): number {
  return type.endsWith('64') ? 4 : type.endsWith('32') ? 2 : words;
}

function encode(value: number, place: Place): number[] {
  const { type, wordOrder = 'big' } = place;
  const length = lengthOf(place);
  const view = new DataView(new ArrayBuffer(Math.max(8, 2 * length)));
  if (type === 'text') for (const [i, code] of Buffer.from(String(value)).entries()) view.setUint8(i, code);
  else if (type === 'float32') view.setFloat32(0, value);
  else if (type === 'float64') view.setFloat64(0, value);
  else view.setBigInt64(0, BigInt(Math.round(value)) << BigInt(64 - 16 * length));
  const words = Array.from({ length }, (_, i) => view.getUint16(2 * i));
  return wordOrder === 'big' ? words : words.reverse();
}
