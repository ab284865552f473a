import type { Hasher, Opening } from '@meterseal/protocol';
import {
  ByteReader,
  ByteWriter,
  equalBytes,
  fromBase64,
  isMeterId,
  keyFromBase64,
  MAX_BATCH,
  MetersealError,
  meterCommitment,
  readKey,
} from '@meterseal/protocol';
import type { Damage } from '../storage/frame-scanner.js';
import { Journal } from '../storage/journal.js';
import type { Storage } from '../storage/storage.js';

/*
 * One item of the file of openings, one per identity key:
 *
 *   u32 subject | salt[16] | identity key[32] | str meter
 */

/** What opens a meter's commitment, and every identity key that it was enrolled with, the latest last. */
export type KnownMeter = {
  readonly meter: string;
  readonly subject: number;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  readonly identityKeys: readonly Uint8Array[];
};

type OpeningItem = { meter: string; subject: number; salt: Uint8Array; identityKey: Uint8Array };

/** Identity keys of one meter: re-enrolments are rare, and nobody may fill the disk with them. */
const MAX_IDENTITY_KEYS = 64;
const MAX_SUBJECT = 2 ** 32 - 1;

/** Which subject is which meter. Personal data: it never leaves the collector but in a proof file. */
export class Openings {
  readonly #hasher: Hasher;
  readonly #byMeter = new Map<string, KnownMeter>();
  readonly #bySubject = new Map<number, KnownMeter>();
  #journal: Journal | undefined;

  private constructor(hasher: Hasher) {
    this.#hasher = hasher;
  }

  static async open(storage: Storage, path: string, hasher: Hasher): Promise<Openings> {
    const openings = new Openings(hasher);
    openings.#journal = await Journal.open(storage, path, 'openings', (item) => {
      const opening = decode(item);
      openings.#put(openings.#merged(opening, openings.#byMeter, openings.#bySubject) ?? refuseRepeated());
    });
    return openings;
  }

  get damage(): readonly Damage[] {
    return this.#journal!.damage;
  }

  get failure(): MetersealError | undefined {
    return this.#journal!.failure;
  }

  ofMeter(meter: string): KnownMeter | undefined {
    return this.#byMeter.get(meter);
  }

  ofSubject(subject: number): KnownMeter | undefined {
    return this.#bySubject.get(subject);
  }

  /** Whether a meter was opened with this identity key. */
  hasKey(subject: number, identityKey: Uint8Array): boolean {
    const keys = this.#bySubject.get(subject)?.identityKeys ?? [];
    return keys.some((key) => equalBytes(key, identityKey));
  }

  all(): Iterable<KnownMeter> {
    return this.#byMeter.values();
  }

  /**
   * Takes all of the openings or none. One that is known already is no news; a new identity key for a known meter is a
   * re-enrolment, and the older keys stay good for what they have signed.
   *
   * @throws MetersealError `opening-conflict` for another salt or subject of a known meter, or a subject that is another
   *   meter's; `commit-failed`, `disk-full`
   */
  async add(openings: readonly OpeningItem[]): Promise<void> {
    const meters = new Map(this.#byMeter);
    const subjects = new Map(this.#bySubject);
    const news: OpeningItem[] = [];
    for (const opening of openings) {
      const merged = this.#merged(opening, meters, subjects);
      if (merged === undefined) continue;
      meters.set(merged.meter, merged);
      subjects.set(merged.subject, merged);
      news.push(opening);
    }
    await this.#journal!.append(news.map(encode));
    for (const { meter } of news) this.#put(meters.get(meter)!);
  }

  async close(): Promise<void> {
    await this.#journal!.close();
  }

  #put(known: KnownMeter): void {
    this.#byMeter.set(known.meter, known);
    this.#bySubject.set(known.subject, known);
  }

  /** The meter with what the opening adds; undefined where that is nothing. */
  #merged(
    opening: OpeningItem,
    meters: ReadonlyMap<string, KnownMeter>,
    subjects: ReadonlyMap<number, KnownMeter>,
  ): KnownMeter | undefined {
    const { meter, subject, salt, identityKey } = opening;
    const known = meters.get(meter);
    const holder = subjects.get(subject);
    if (holder !== undefined && holder.meter !== meter) refuse("its subject is another meter's");
    if (known === undefined) {
      const commitment = meterCommitment(this.#hasher, salt, meter);
      return { meter, subject, salt, commitment, identityKeys: [identityKey] };
    }
    if (known.subject !== subject || !equalBytes(known.salt, salt)) {
      refuse('the meter is known with another subject or salt');
    }
    if (known.identityKeys.some((key) => equalBytes(key, identityKey))) return undefined;
    if (known.identityKeys.length === MAX_IDENTITY_KEYS) refuse('the meter has too many identity keys');
    return { ...known, identityKeys: [...known.identityKeys, identityKey] };
  }
}

/**
 * The body of POST /v1/openings.
 *
 * @param body parsed JSON, from anybody
 * @throws MetersealError `bad-message`, `bad-key`
 */
export function readOpenings(body: unknown): OpeningItem[] {
  if (!Array.isArray(body) || body.length === 0 || body.length > MAX_BATCH) {
    malformed(`not a list of 1 to ${MAX_BATCH} openings`);
  }
  return body.map((item: unknown) => {
    if (typeof item !== 'object' || item === null || Object.keys(item).sort().join() !== OPENING_KEYS) {
      malformed(`an opening that does not have exactly ${OPENING_KEYS}`);
    }
    const { meter, salt, subject, identityKey } = item as Opening;
    if (!isMeterId(meter)) malformed('a meter that is no meter ID');
    if (!Number.isInteger(subject) || subject < 1 || subject > MAX_SUBJECT)
      malformed('a subject that is none');
    const saltBytes = fromBase64(salt, 'bad-message');
    if (saltBytes.length !== 16) malformed('a salt that is not 16 bytes');
    return { meter, subject, salt: saltBytes, identityKey: keyFromBase64(identityKey) };
  });
}

const OPENING_KEYS = 'identityKey,meter,salt,subject';

function encode({ subject, salt, identityKey, meter }: OpeningItem): Uint8Array {
  return new ByteWriter().u32(subject).bytes(salt, 16).bytes(identityKey, 32).str(meter).done();
}

function decode(item: Uint8Array): OpeningItem {
  const from = new ByteReader(item, 'file-damaged');
  const subject = from.u32();
  const salt = from.bytes(16);
  const identityKey = readKey(from);
  const meter = from.str();
  from.end();
  return { subject, salt, identityKey, meter };
}

function malformed(why: string): never {
  throw new MetersealError('bad-message', `couldn't read openings: ${why}`);
}

function refuse(why: string): never {
  throw new MetersealError('opening-conflict', `couldn't accept opening: ${why}`, {
    hint: 'A meter keeps its subject and salt for good; an exchanged meter is a new one with an ID of its own.',
  });
}

function refuseRepeated(): never {
  throw new MetersealError('file-damaged', "couldn't read opening: it stands there twice");
}
