import type { SigningKey } from '@meterseal/native/javascript';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { Opening, ReadingRecord } from '@meterseal/protocol';
import {
  encodeDelivery,
  encodeDeliveryGroup,
  encodeGap,
  encodeRecord,
  meterCommitment,
  RUNNING_HASH_START,
  readingHash,
  runningHash,
  signMessage,
  toBase64,
  toBase64Url,
  toHex,
  utf8,
} from '@meterseal/protocol';

export const PLATFORM_ID = 'meterseal.example/meterseal/box-7';

/** A key that is the same in every run. */
export function keyOf(name: string): SigningKey {
  return crypto.keyFromSeed(crypto.sha256(utf8(name)));
}

export const collectorKey = keyOf('collector');

/** A meter and the field's part for it, made of protocol functions only. */
export class SampleMeter {
  readonly id: string;
  readonly subject: number;
  readonly salt: Uint8Array;
  readonly commitment: Uint8Array;
  identity: SigningKey;

  constructor(id: string, subject: number) {
    this.id = id;
    this.subject = subject;
    this.salt = crypto.sha256(utf8(`salt ${id}`)).slice(0, 16);
    this.commitment = meterCommitment(crypto, this.salt, id);
    this.identity = keyOf(`identity ${id}`);
  }

  get ref(): { subject: number; commitment: Uint8Array } {
    return { subject: this.subject, commitment: this.commitment };
  }

  opening(changed: Partial<Opening> = {}): Opening {
    const { id, salt, subject, identity } = this;
    const own = { meter: id, salt: toBase64(salt), subject, identityKey: toBase64(identity.publicKey) };
    return { ...own, ...changed };
  }

  /** A record whose bytes depend on meter, number and `value` only. */
  record(seq: number, value = `${seq}.5`, changed: Partial<ReadingRecord> = {}): Uint8Array {
    return encodeRecord({
      v: 0,
      meter: this.id,
      seq,
      time: new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString(),
      span: 120,
      clock: 'synchronised',
      identity: 'none',
      profile: 'eastron/sdm630@0123456789abcdef',
      sw: 'meterseal 0.1.0 0123456789abcdef',
      values: [{ obis: '1-0:1.8.0', unit: 'kWh', value }],
      raw: [{ fc: 4, at: 0, words: '43660000' }],
      salt: toBase64Url(crypto.sha256(utf8(`${this.id} ${seq} ${value}`)).slice(0, 16)),
      ...changed,
    });
  }

  records(from: number, to: number): Uint8Array[] {
    return Array.from({ length: to - from + 1 }, (_, i) => this.record(from + i));
  }

  /** The void record that stands for `replaced`; without it, for a reading that nobody knows any more. */
  voidRecord(seq: number, replaced?: Uint8Array): Uint8Array {
    const replaces = replaced === undefined ? '0'.repeat(64) : toHex(readingHash(crypto, replaced));
    const reason = replaced === undefined ? 'lost-by-field' : 'record-invalid';
    return this.record(seq, 'void', { values: [], raw: [], void: { reason, replaces } });
  }

  /** Running hash over `records`, from a start. */
  lead(records: readonly Uint8Array[], start = RUNNING_HASH_START): Uint8Array {
    return records.reduce((hash, record) => runningHash(crypto, hash, readingHash(crypto, record)), start);
  }

  /**
   * A signed delivery statement.
   *
   * @param delivered everything from `first` to `to`, as first delivered
   */
  statement(
    first: number,
    delivered: readonly Uint8Array[],
    changed: {
      platformId?: string;
      collectorKey?: Uint8Array;
      ref?: { subject: number; commitment: Uint8Array };
      to?: number;
      runningHash?: Uint8Array;
      signer?: SigningKey;
    } = {},
  ): Uint8Array {
    const message = encodeDelivery({
      platformId: changed.platformId ?? PLATFORM_ID,
      meter: changed.ref ?? this.ref,
      collectorKey: changed.collectorKey ?? collectorKey.publicKey,
      first,
      to: changed.to ?? first + delivered.length - 1,
      runningHash: changed.runningHash ?? this.lead(delivered),
    });
    return signMessage(changed.signer ?? this.identity, message);
  }

  /** A body of POST /v1/records: a statement over `delivered`, and of those the last `send` records, or `extra`. */
  delivery(
    first: number,
    delivered: readonly Uint8Array[],
    send = delivered.length,
    extra: Uint8Array[] = [],
  ): Uint8Array {
    const records = [...delivered.slice(delivered.length - send), ...extra];
    return encodeDeliveryGroup(this.statement(first, delivered), records);
  }

  gap(
    from: number,
    to: number,
    reason: 'lost-by-field' | 'dropped-by-policy' = 'lost-by-field',
    signer = this.identity,
  ): Uint8Array {
    const message = encodeGap({
      platformId: PLATFORM_ID,
      meter: this.ref,
      collectorKey: collectorKey.publicKey,
      from,
      to,
      reason,
    });
    return signMessage(signer, message);
  }
}
