import type { Engine } from '@meterseal/native';
import type {
  ClockState,
  IdentityState,
  Random,
  RawBlock,
  ReadingRecord,
  RecordValue,
} from '@meterseal/protocol';
import {
  decodeRecord,
  encodeRecord,
  formatTime,
  isMetersealError,
  readingHash,
  toBase64Url,
  toHex,
} from '@meterseal/protocol';
import type { FieldStore } from './field-store.js';
import type { RecordBytes, StoredRecord } from './stored-record.js';

/** What a poll of a meter gave; times in milliseconds since 1970. */
export type PolledReading = {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly values: readonly RecordValue[];
  readonly raw: readonly RawBlock[];
};

export type ReadingOrigin = {
  readonly meter: string;
  readonly profile: string;
  readonly identity: IdentityState;
  readonly clock: ClockState;
};

/** What a void record replaces where nobody knows the reading any more. */
const UNKNOWN_HASH = '0'.repeat(64);

/** Makes records: once, whole, and on disk before anything is sent. */
export class Recorder {
  readonly #store: FieldStore;
  readonly #engine: Engine;
  readonly #random: Random;
  readonly #software: string;

  constructor(store: FieldStore, engine: Engine, random: Random, software: string) {
    this.#store = store;
    this.#engine = engine;
    this.#random = random;
    this.#software = software;
  }

  /** Commits the reading under the meter's next number. */
  record(number: number, origin: ReadingOrigin, reading: PolledReading): Promise<StoredRecord> {
    return this.#store.appendRecord(number, (seq) =>
      this.#encode({
        v: 0,
        meter: origin.meter,
        seq,
        time: formatTime(reading.endedAt),
        span: Math.max(0, reading.endedAt - reading.startedAt),
        clock: origin.clock,
        identity: origin.identity,
        profile: origin.profile,
        sw: this.#software,
        values: reading.values,
        raw: reading.raw,
        salt: this.#salt(),
      }),
    );
  }

  /**
   * The void record that fills the number of a reading that the platform refused for good.
   *
   * @param meter whose number it is, whatever the refused record says
   * @param reason the platform's code
   * @param like a record of the same meter, in case that nobody can read what was refused
   * @throws MetersealError `bad-record` if nobody can read that either
   */
  voidOf(meter: string, refused: StoredRecord, reason: string, like: Uint8Array): RecordBytes {
    const { seq } = refused;
    const mark = { reason, replaces: toHex(refused.hash) };
    const base = tryDecode(refused.bytes) ?? decodeRecord(like);
    return this.#encode({ ...base, meter, seq, values: [], raw: [], salt: this.#salt(), void: mark });
  }

  /**
   * A void record for a number whose reading this field has lost. Nobody knows when that was made: its time, clock and
   * identity are those of `like`.
   *
   * @param like any record of the same meter
   */
  lost(like: Uint8Array, seq: number): RecordBytes {
    const mark = { reason: 'lost-by-field', replaces: UNKNOWN_HASH };
    return this.#encode({ ...decodeRecord(like), seq, values: [], raw: [], salt: this.#salt(), void: mark });
  }

  /** The same reading under another number, for reconciliation; its time stays. */
  remake(bytes: Uint8Array, seq: number): RecordBytes {
    return this.#encode({ ...decodeRecord(bytes), seq, salt: this.#salt() });
  }

  #encode(record: ReadingRecord): RecordBytes {
    const bytes = encodeRecord(record);
    return { bytes, hash: readingHash(this.#engine, bytes) };
  }

  #salt(): string {
    return toBase64Url(this.#random(16));
  }
}

function tryDecode(bytes: Uint8Array): ReadingRecord | undefined {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (isMetersealError(error, 'bad-record')) return undefined;
    throw error;
  }
}
