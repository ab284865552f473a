import type { Acknowledgement, Hasher, MeterRef, Signed, Signer, Verifier } from '@meterseal/protocol';
import {
  concat,
  encodeDelivery,
  encodeDeliveryGroup,
  encodeGap,
  equalBytes,
  isSignedBy,
  MAX_BATCH,
  MetersealError,
  runningHash,
  signMessage,
  toBase64,
} from '@meterseal/protocol';
import type { Logger } from '../host/logger.js';
import type { CollectorClient } from './collector-client.js';
import type { DeliveryState, Outbox, OutboxRecord } from './outbox.js';
import { reconcileWithCollector } from './reconciliation.js';

/** A meter whose readings are delivered: who it is, and the identity key that signs its statements. */
export type DeliveredMeter = {
  readonly number: number;
  readonly id: string;
  readonly salt: Uint8Array;
  readonly ref: MeterRef;
  readonly identity: Signer;
};

export type DelivererTools = {
  readonly client: CollectorClient;
  readonly outbox: Outbox;
  readonly crypto: Hasher & Verifier;
  readonly log: Logger;
  readonly platformId: string;
  readonly collectorKey: Uint8Array;
  /** False while a meter's numbers still have to be compared with the chain's. */
  readonly mayDeliver: (number: number) => boolean;
};

/** Readings of one meter in one request, so that one meter's backlog does not hold up the others. */
const MAX_PER_METER = 250;

/**
 * Interface 2 to one collector: everything in the outbox, in order per meter, with a statement by the meter's identity
 * key over all that was delivered so far. What counts as delivered is what the collector's key has signed.
 */
export class Deliverer {
  readonly #tools: DelivererTools;
  readonly #meters = new Map<number, DeliveredMeter>();
  readonly #opened = new Set<number>();
  readonly #reconciled = new Set<number>();
  readonly #voidsSent = new Map<number, number>();

  constructor(tools: DelivererTools) {
    this.#tools = tools;
  }

  add(meter: DeliveredMeter): void {
    this.#meters.set(meter.number, meter);
  }

  /**
   * One request for all meters that have something to deliver.
   *
   * @returns true while there is more
   * @throws MetersealError `unreachable`, `timeout` where the collector is away, or its refusal; nothing is lost
   */
  async deliver(): Promise<boolean> {
    const { client, outbox, mayDeliver, collectorKey } = this.#tools;
    await this.#open();
    const parts: { meter: DeliveredMeter; state: DeliveryState; group: Uint8Array; expect: Expected }[] = [];
    let more = false;
    for (const meter of this.#meters.values()) {
      if (!mayDeliver(meter.number)) continue;
      if (!this.#reconciled.has(meter.number)) {
        await reconcileWithCollector(meter, this.#tools);
        this.#reconciled.add(meter.number);
      }
      let state = await outbox.delivery(meter.number, collectorKey);
      const records = await outbox.pending(meter.number, state.ackedTo, MAX_PER_METER);
      const next = records[0];
      if (next !== undefined && next.seq > state.ackedTo + 1)
        state = await this.#stateGap(meter, state, next.seq - 1);
      const part = await this.#group(meter, state, records);
      if (part === undefined) continue;
      parts.push({ meter, state, ...part });
      if (records.length === MAX_PER_METER) more = true;
      if (parts.length * MAX_PER_METER >= MAX_BATCH) {
        more = true;
        break;
      }
    }
    if (parts.length === 0) return false;
    const acknowledgements = await client.deliver(concat(...parts.map(({ group }) => group)));
    for (const { meter, state, expect } of parts) {
      const signed = this.#acknowledgementFor(meter, acknowledgements);
      if (!covers(signed.value, state.first, expect)) {
        throw new MetersealError('bad-message', "couldn't accept acknowledgement: it covers something else");
      }
      await this.#save(meter, state.first, expect, signed);
      this.#voidsSent.set(meter.number, expect.voids);
    }
    return more;
  }

  /** Opens the meters' commitments to the collector, once per process and meter. */
  async #open(): Promise<void> {
    const fresh = [...this.#meters.values()].filter(({ number }) => !this.#opened.has(number));
    if (fresh.length === 0) return;
    await this.#tools.client.open(
      fresh.map(({ id, salt, ref, identity }) => ({
        meter: id,
        salt: toBase64(salt),
        subject: ref.subject,
        identityKey: toBase64(identity.publicKey),
      })),
    );
    for (const { number } of fresh) this.#opened.add(number);
  }

  /** The statement and the records behind it; undefined where there is nothing new. */
  async #group(
    meter: DeliveredMeter,
    state: DeliveryState,
    records: readonly OutboxRecord[],
  ): Promise<{ group: Uint8Array; expect: Expected } | undefined> {
    const { crypto, outbox } = this.#tools;
    // What lies behind the next gap waits for the gap's own statement.
    const run = records.filter((record, i) => record.seq === records[0]!.seq + i);
    let hash = state.runningHash;
    for (const record of run) hash = runningHash(crypto, hash, record.hash);
    const to = state.ackedTo + run.length;
    if (to < state.first) return undefined;
    const sent = this.#voidsSent.get(meter.number) ?? 0;
    const voids = await outbox.voids(meter.number, state.first, to);
    const unsent = voids.slice(sent, sent + MAX_PER_METER);
    if (run.length === 0 && unsent.length === 0) return undefined;
    const statement = signMessage(
      meter.identity,
      encodeDelivery({ ...this.#common(meter), first: state.first, to, runningHash: hash }),
    );
    const bytes = [...run, ...unsent].map((record) => record.bytes);
    return {
      group: encodeDeliveryGroup(statement, bytes),
      expect: { to, hash, voids: sent + unsent.length },
    };
  }

  /** Tells the collector that the numbers up to `to` will never come. */
  async #stateGap(meter: DeliveredMeter, state: DeliveryState, to: number): Promise<DeliveryState> {
    const from = state.ackedTo + 1;
    this.#tools.log.warn(
      { subject: meter.ref.subject, from, to },
      'numbers lost: gap stated to the collector',
    );
    const message = encodeGap({ ...this.#common(meter), from, to, reason: 'lost-by-field' });
    const answer = await this.#tools.client.stateGaps(signMessage(meter.identity, message));
    const signed = this.#acknowledgementFor(meter, answer);
    const { first, seq, runningHash: hash } = signed.value;
    if (first !== to + 1 || seq !== to) {
      throw new MetersealError('bad-message', "couldn't accept acknowledgement: it does not name the gap");
    }
    this.#voidsSent.delete(meter.number);
    await this.#save(meter, first, { to: seq, hash, voids: 0 }, signed);
    return this.#tools.outbox.delivery(meter.number, this.#tools.collectorKey);
  }

  #common(meter: DeliveredMeter): { platformId: string; meter: MeterRef; collectorKey: Uint8Array } {
    const { platformId, collectorKey } = this.#tools;
    return { platformId, meter: meter.ref, collectorKey };
  }

  #acknowledgementFor(
    meter: DeliveredMeter,
    acknowledgements: readonly Signed<Acknowledgement>[],
  ): Signed<Acknowledgement> {
    const { crypto, collectorKey, platformId } = this.#tools;
    const signed = acknowledgements.find(({ value }) => value.meter.subject === meter.ref.subject);
    if (
      signed === undefined ||
      signed.value.platformId !== platformId ||
      !equalBytes(signed.value.meter.commitment, meter.ref.commitment) ||
      !equalBytes(signed.value.collectorKey, collectorKey) ||
      !isSignedBy(crypto, collectorKey, signed)
    ) {
      throw new MetersealError(
        'bad-signature',
        "couldn't accept acknowledgement: it is not the collector's own",
        {
          hint: "Check the collector's key in the configuration.",
        },
      );
    }
    return signed;
  }

  async #save(
    meter: DeliveredMeter,
    first: number,
    expect: Expected,
    signed: Signed<Acknowledgement>,
  ): Promise<void> {
    await this.#tools.outbox.saveDelivery(meter.number, this.#tools.collectorKey, {
      first,
      ackedTo: expect.to,
      runningHash: expect.hash,
      acknowledgement: concat(signed.message, signed.signature),
    });
  }
}

/** What the collector must have signed. */
type Expected = { readonly to: number; readonly hash: Uint8Array; readonly voids: number };

function covers(value: Acknowledgement, first: number, expect: Expected): boolean {
  return value.first === first && value.seq === expect.to && equalBytes(value.runningHash, expect.hash);
}
