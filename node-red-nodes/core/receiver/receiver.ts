import type {
  CollectorState,
  Crypto,
  Delivery,
  DeliveryGroup,
  Gap,
  MeterRef,
  ReadingRecord,
  RecordsAnswer,
  Signed,
  Signer,
} from '@meterseal/protocol';
import {
  concat,
  decodeDeliveryGroups,
  decodeSignedList,
  encodeAcknowledgement,
  equalBytes,
  MAX_BATCH,
  MAX_INTEGER,
  MetersealError,
  RUNNING_HASH_START,
  readGap,
  signMessage,
  toBase64,
} from '@meterseal/protocol';
import type { HeightUpdate, MeterHeight } from '../ledgers/heights.js';
import type { Ledgers } from '../ledgers/ledgers.js';
import type { KnownMeter } from '../ledgers/openings.js';
import { readOpenings } from '../ledgers/openings.js';
import type { Addressee } from '../ledgers/statement-trust.js';
import { StatementTrust } from '../ledgers/statement-trust.js';
import { SerialQueue } from '../storage/serial-queue.js';
import type { Clock } from '../time/clock.js';
import { nextTurn } from '../time/next-turn.js';
import type { CheckedDelivery } from './delivery-check.js';
import { checkDelivery } from './delivery-check.js';

/** A record that was just stored, for whoever shows it. */
export type StoredReading = {
  readonly record: ReadingRecord;
  readonly bytes: Uint8Array;
  /** The collector's clock, milliseconds since 1970. */
  readonly received: number;
  /** True if other bytes were held under its number already. */
  readonly conflict: boolean;
};

export type ReceiverTools = {
  readonly ledgers: Ledgers;
  readonly crypto: Crypto;
  /** The collector's key. */
  readonly signer: Signer;
  readonly clock: Clock;
  readonly platformId: string;
  /** Called after the disk has what it is called for; whatever it throws is its own affair. */
  readonly onStored?: (readings: readonly StoredReading[]) => void;
};

/**
 * What interface 2 does, apart from HTTP. One request after the other changes anything; each is taken whole or not at
 * all, and answered only when it is on the disk.
 */
export class Receiver {
  readonly #tools: ReceiverTools;
  readonly #addressee: Addressee;
  readonly #trust: StatementTrust;
  readonly #queue = new SerialQueue();
  #closed = false;

  constructor(tools: ReceiverTools) {
    this.#tools = tools;
    this.#addressee = { platformId: tools.platformId, collectorKey: tools.signer.publicKey };
    this.#trust = new StatementTrust(tools.crypto, this.#addressee);
  }

  /**
   * POST /v1/openings.
   *
   * @param body parsed JSON
   * @throws MetersealError `bad-message`, `bad-key`, `opening-conflict`, `commit-failed`, `disk-full`
   */
  async openings(body: unknown): Promise<void> {
    const openings = readOpenings(body);
    await this.#run(() => this.#tools.ledgers.openings.add(openings));
  }

  /**
   * POST /v1/records.
   *
   * @param body delivery groups, one for each meter
   * @throws MetersealError `bad-message`, `bad-record`, `unknown-meter`, `statement-refused`, `delivery-gap`,
   *   `conflict`; then nothing of the body was stored. `commit-failed`, `disk-full`
   */
  async records(body: Uint8Array): Promise<RecordsAnswer> {
    const groups = decodeDeliveryGroups(body);
    return this.#run(() => this.#records(groups));
  }

  /**
   * POST /v1/gaps.
   *
   * @param body signed gap statements, one behind the other
   * @throws MetersealError as `records`
   */
  async gaps(body: Uint8Array): Promise<RecordsAnswer> {
    const statements = decodeSignedList(body, readGap, MAX_BATCH);
    if (statements.length === 0) throw new MetersealError('bad-message', "couldn't read gaps: no statement");
    return this.#run(() => this.#gaps(statements));
  }

  /**
   * GET /v1/state?meter=…
   *
   * @throws MetersealError `unknown-meter`
   */
  async state(meter: string): Promise<CollectorState> {
    return this.#run(async () => {
      const { openings, heights, deliveries } = this.#tools.ledgers;
      const known = openings.ofMeter(meter) ?? unknownMeter();
      const height = heights.of(known.subject);
      const row = deliveries
        .over(known.subject, height.first, height.seq)
        .find((candidate) => equalBytes(deliveries.runningHash(candidate), height.runningHash));
      const signed = row === undefined ? undefined : await deliveries.read(row);
      return {
        first: height.first,
        seq: height.seq,
        runningHash: toBase64(height.runningHash),
        ...(signed === undefined ? {} : { statement: toBase64(concat(signed.message, signed.signature)) }),
      };
    });
  }

  /** Resolves when no request is under way. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  /** Takes no more requests: they throw `stopped`. Resolves when those under way have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue.idle();
  }

  /** In turn, and only while every file can be relied on: what a failed write has done is known after opening again. */
  #run<T>(task: () => Promise<T>): Promise<T> {
    return this.#queue.run(async () => {
      if (this.#closed)
        throw new MetersealError('stopped', "couldn't serve request: the collector is closing");
      const { failure } = this.#tools.ledgers;
      if (failure !== undefined) throw failure;
      return task();
    });
  }

  async #records(groups: readonly DeliveryGroup[]): Promise<RecordsAnswer> {
    const { ledgers, clock } = this.#tools;
    const checked: { meter: KnownMeter; statement: Signed<Delivery>; delivery: CheckedDelivery }[] = [];
    for (const group of groups) {
      const meter = this.#meterOf(group.statement);
      if (checked.some((other) => other.meter === meter)) {
        throw new MetersealError('bad-message', "couldn't accept delivery: two statements of one meter");
      }
      checked.push({ meter, statement: group.statement, delivery: this.#check(group, meter) });
      // Strict decoding and signatures take long: other connections get their turn between meters.
      await nextTurn();
    }

    const received = clock.now();
    // The statement first: a record that is on the disk is never without the word that it was delivered with.
    await ledgers.deliveries.add(
      checked.filter(({ delivery }) => delivery.isNews).map(({ statement }) => statement),
    );
    await ledgers.spool.append(
      checked.flatMap(({ meter, delivery }) =>
        delivery.fresh.map(({ seq, hash, bytes, record }) => {
          return { meter: meter.meter, seq, hash, received, record: bytes, replaces: record.void?.replaces };
        }),
      ),
    );
    // From here on every record is on the disk; only what the heights say counts as acknowledged.
    await this.#raise(checked.map(({ meter, delivery }) => ({ meter, height: delivery.height })));

    this.#tell(
      checked.flatMap(({ delivery }) =>
        delivery.fresh.map(({ record, bytes, isConflict }) => ({
          record,
          bytes,
          received,
          conflict: isConflict,
        })),
      ),
    );
    return {
      acknowledgements: checked.map(({ meter }) => this.#acknowledge(meter)),
      conflicts: checked.flatMap(({ meter, delivery }) =>
        delivery.fresh.filter((record) => record.isConflict).map(({ seq }) => ({ meter: meter.meter, seq })),
      ),
    };
  }

  #check(group: DeliveryGroup, meter: KnownMeter): CheckedDelivery {
    const { ledgers, crypto } = this.#tools;
    const { index } = ledgers.spool;
    return checkDelivery(crypto, group, {
      meter,
      height: ledgers.heights.of(meter.subject),
      versions: (seq) => index.versions(meter.meter, seq).map((row) => index.hashes.at(row)),
      deliveries: ledgers.deliveries,
    });
  }

  async #gaps(statements: readonly Signed<Gap>[]): Promise<RecordsAnswer> {
    const { heights, gaps } = this.#tools.ledgers;
    const raised = new Map<KnownMeter, MeterHeight>();
    const news: Signed<Gap>[] = [];
    const meters = new Set<KnownMeter>();
    for (const statement of statements) {
      const meter = this.#meterOf(statement);
      meters.add(meter);
      const { from, to } = statement.value;
      const height = raised.get(meter) ?? heights.of(meter.subject);
      if (to <= height.seq && gaps.has(meter.subject, from, to)) continue;
      if (to === MAX_INTEGER) refuse('it leaves the meter no number');
      if (from !== height.seq + 1) refuseGap(from, height.seq);
      raised.set(meter, { first: to + 1, seq: to, runningHash: RUNNING_HASH_START });
      if (!gaps.has(meter.subject, from, to)) news.push(statement);
    }
    await gaps.add(news);
    await this.#raise([...raised].map(([meter, height]) => ({ meter, height })));
    return { acknowledgements: [...meters].map((meter) => this.#acknowledge(meter)), conflicts: [] };
  }

  /** The meter that a statement is of, if it is signed by it and made to us. */
  #meterOf(signed: Signed<{ readonly meter: MeterRef } & Addressee>): KnownMeter {
    const meter = this.#tools.ledgers.openings.ofSubject(signed.value.meter.subject) ?? unknownMeter();
    if (!this.#trust.isAddressed(signed.value, meter)) refuse('it is made to another collector or platform');
    if (this.#trust.signerOf(signed, meter) === undefined) refuse("the meter's identity key did not sign it");
    return meter;
  }

  async #raise(heights: readonly { meter: KnownMeter; height: MeterHeight }[]): Promise<void> {
    const time = this.#tools.clock.now();
    const updates: HeightUpdate[] = heights
      .map(({ meter, height }) => ({ subject: meter.subject, height, time }))
      .filter(({ subject, height }) => height.seq > this.#tools.ledgers.heights.of(subject).seq);
    await this.#tools.ledgers.heights.record(updates);
  }

  #acknowledge({ subject, commitment }: KnownMeter): string {
    const { ledgers, signer, clock } = this.#tools;
    const { first, seq, runningHash } = ledgers.heights.of(subject);
    const acknowledgement = { ...this.#addressee, meter: { subject, commitment }, first, seq, runningHash };
    return toBase64(signMessage(signer, encodeAcknowledgement({ ...acknowledgement, time: clock.now() })));
  }

  #tell(readings: readonly StoredReading[]): void {
    if (readings.length === 0) return;
    try {
      this.#tools.onStored?.(readings);
    } catch {
      // The readings are stored and will be acknowledged, whatever becomes of those who watch.
    }
  }
}

function unknownMeter(): never {
  throw new MetersealError('unknown-meter', "couldn't find meter: it was never opened to this collector", {
    hint: 'Send its opening first.',
  });
}

function refuse(why: string): never {
  throw new MetersealError('statement-refused', `couldn't accept statement: ${why}`);
}

function refuseGap(from: number, held: number): never {
  const why = `it starts at ${from}, what is held ends at ${held}`;
  throw new MetersealError(
    from > held ? 'delivery-gap' : 'statement-refused',
    `couldn't accept gap: ${why}`,
    {
      hint: 'A gap follows right behind what is held. Ask for the state of the meter.',
    },
  );
}
