import type { Acknowledgement, ErrorCode, MeterRef, Signed } from '@meterseal/protocol';
import {
  concat,
  encodeDelivery,
  encodeDeliveryGroup,
  encodeGap,
  equalBytes,
  isMetersealError,
  isSignedBy,
  MAX_BATCH,
  MetersealError,
  runningHash,
  signMessage,
  toBase64,
} from '@meterseal/protocol';
import { BackOff } from '../host/back-off.js';
import { isOutage } from '../host/http-client.js';
import type { DeliveredMeter, DelivererTools } from './delivered-meter.js';
import type { DeliveryState } from './outbox.js';
import { reconcileWithCollector } from './reconciliation.js';

/** A meter on its way to this collector. */
type Lane = {
  readonly meter: DeliveredMeter;
  readonly refusals: BackOff;
  isOpened: boolean;
  isReconciled: boolean;
  /** True once its numbers were compared with the collector's, or that was tried in vain. */
  isCompared: boolean;
  /** True after a refusal: the first one only means that we do not know what the collector holds. */
  isDoubted: boolean;
};

/** What one meter delivers in one request, and what the collector must sign for it. */
type Part = {
  readonly lane: Lane;
  readonly group: Uint8Array;
  readonly expected: DeliveryState;
  readonly voids: readonly number[];
  readonly more: boolean;
};

/** First and longest pause of a meter that the collector refuses. */
const REFUSED_PAUSE_MS = { first: 5_000, most: 600_000 };
/** What is wrong with one meter, by the collector's word or by our own checks; anything else stops all of them. */
const OF_ONE_METER: readonly ErrorCode[] = [
  'unknown-meter',
  'opening-conflict',
  'statement-refused',
  'delivery-gap',
  'conflict',
  'bad-message',
  'bad-record',
  'bad-key',
  'bad-encoding',
  'bad-signature',
];

/**
 * Interface 2 to one collector: everything in the outbox, in order per meter, with a statement by the meter's identity
 * key over all that was delivered so far. What counts as delivered is what the collector's key has signed.
 */
export class Deliverer {
  readonly #tools: DelivererTools;
  readonly #lanes = new Map<number, Lane>();
  #isInReach = false;

  constructor(tools: DelivererTools) {
    this.#tools = tools;
  }

  add(meter: DeliveredMeter): void {
    const refusals = new BackOff(this.#tools.clock, REFUSED_PAUSE_MS);
    this.#lanes.set(meter.number, {
      meter,
      refusals,
      isOpened: false,
      isReconciled: false,
      isCompared: false,
      isDoubted: false,
    });
  }

  /**
   * True once a meter's numbers were compared with the collector's, so that new ones may go to the chain; and if that
   * could not be done: a collector that is away, or refuses the meter, does not hold up anchoring.
   */
  mayAnchor(number: number): boolean {
    return this.#lanes.get(number)?.isCompared ?? false;
  }

  /**
   * The lowest number of a meter whose void record the collector still has to get. It gets that before the chain does:
   * a comparison in between would find the reading delivered and another hash anchored, and accuse the box.
   *
   * @returns undefined also where the collector is away, or refuses the meter: then it does not hold up anchoring
   */
  async undeliveredVoid(number: number): Promise<number | undefined> {
    const { outbox, collectorKey } = this.#tools;
    const lane = this.#lanes.get(number);
    if (lane === undefined || !this.#isInReach || lane.isDoubted || lane.refusals.isWaiting) return undefined;
    const { first, ackedTo } = await outbox.delivery(number, collectorKey);
    return (await outbox.unsentVoids(number, collectorKey, first, ackedTo, 1))[0]?.seq;
  }

  /**
   * One request for all meters that have something to deliver.
   *
   * @returns true while there is more
   * @throws MetersealError `unreachable`, `timeout`, a failure of the collector or what it refuses to all meters; failures
   *   of the outbox. Nothing is lost. What concerns one meter leaves the others running, and is not thrown
   */
  async deliver(): Promise<boolean> {
    try {
      const more = await this.#deliver();
      this.#isInReach = true;
      return more;
    } catch (error) {
      this.#isInReach = false;
      for (const lane of this.#lanes.values()) this.#compared(lane);
      throw error;
    }
  }

  async #deliver(): Promise<boolean> {
    const lanes = [...this.#lanes.values()].filter(
      ({ meter, refusals }) => this.#tools.mayDeliver(meter.number) && !refusals.isWaiting,
    );
    await this.#open(lanes.filter(({ isOpened }) => !isOpened));
    const share = Math.max(1, Math.floor(MAX_BATCH / Math.max(1, lanes.length)));
    const parts: Part[] = [];
    let again = false;
    for (const lane of lanes.filter(({ isOpened }) => isOpened)) {
      const fine = await this.#attempt(lane, async () => {
        const part = await this.#part(lane, share);
        if (part !== undefined) parts.push(part);
      });
      if (!fine) again ||= !lane.refusals.isWaiting;
    }
    return (await this.#send(parts)) || again;
  }

  /** Opens the meters' commitments to the collector; one that is refused does not keep the others from it. */
  async #open(lanes: readonly Lane[]): Promise<void> {
    if (lanes.length === 0) return;
    const openings = lanes.map(({ meter: { id, salt, ref, identity } }) => ({
      meter: id,
      salt: toBase64(salt),
      subject: ref.subject,
      identityKey: toBase64(identity.publicKey),
    }));
    try {
      await this.#tools.client.open(openings);
      for (const lane of lanes) lane.isOpened = true;
    } catch (error) {
      if (!isOfOneMeter(error)) throw error;
      if (lanes.length === 1) this.#refused(lanes[0]!, error);
      else for (const lane of lanes) await this.#open([lane]);
    }
  }

  /**
   * Sends all parts at once, and each by itself if the collector refuses them: it takes a request whole or not at all.
   *
   * @returns true if there is reason to deliver again at once
   */
  async #send(parts: readonly Part[]): Promise<boolean> {
    if (parts.length === 0) return false;
    let answer: Signed<Acknowledgement>[] = [];
    const only = parts.length === 1 ? parts[0] : undefined;
    try {
      answer = await this.#tools.client.deliver(concat(...parts.map(({ group }) => group)));
    } catch (error) {
      if (!isOfOneMeter(error)) throw error;
      if (only !== undefined) {
        this.#refused(only.lane, error);
        return !only.lane.refusals.isWaiting;
      }
      let again = false;
      for (const part of parts) again = (await this.#send([part])) || again;
      return again;
    }
    let again = false;
    for (const part of parts) {
      const fine = await this.#attempt(part.lane, () => this.#accept(part, answer));
      again ||= fine ? part.more : !part.lane.refusals.isWaiting;
    }
    return again;
  }

  /** @returns false where what concerns this meter alone went wrong */
  async #attempt(lane: Lane, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!isOfOneMeter(error)) throw error;
      this.#refused(lane, error);
      return false;
    }
  }

  #compared(lane: Lane): void {
    if (lane.isCompared) return;
    lane.isCompared = true;
    this.#tools.onCompared?.(lane.meter.number);
  }

  /** The collector and we do not agree on this meter: it is compared anew, the first time at once. */
  #refused(lane: Lane, error: MetersealError): void {
    lane.isReconciled = false;
    this.#compared(lane);
    if (error.code === 'unknown-meter') lane.isOpened = false;
    if (lane.isDoubted) lane.refusals.failed();
    lane.isDoubted = true;
    this.#tools.log.warn({ subject: lane.meter.ref.subject, err: error }, 'delivery refused');
  }

  /** What this meter has to deliver now; undefined where there is nothing. */
  async #part(lane: Lane, share: number): Promise<Part | undefined> {
    const { meter } = lane;
    const { outbox, collectorKey, crypto } = this.#tools;
    if (!lane.isReconciled) {
      await reconcileWithCollector(meter, this.#tools);
      lane.isReconciled = true;
      this.#compared(lane);
    }
    let state = await outbox.delivery(meter.number, collectorKey);
    const records = await outbox.pending(meter.number, state.ackedTo, share);
    const next = records[0];
    if (next !== undefined && next.seq > state.ackedTo + 1) {
      state = await this.#stateGap(meter, state, next.seq - 1);
    }
    // What lies behind the next gap waits for the gap's own statement.
    const run = records.filter(({ seq }, i) => seq === state.ackedTo + 1 + i);
    const ackedTo = state.ackedTo + run.length;
    if (ackedTo < state.first) return undefined;
    const room = share - run.length;
    const voids = await outbox.unsentVoids(meter.number, collectorKey, state.first, ackedTo, room);
    if (run.length === 0 && voids.length === 0) return undefined;
    const hash = run.reduce(
      (previous, record) => runningHash(crypto, previous, record.hash),
      state.runningHash,
    );
    const expected = { first: state.first, ackedTo, runningHash: hash };
    const statement = encodeDelivery({
      ...this.#common(meter),
      first: state.first,
      to: ackedTo,
      runningHash: hash,
    });
    const bytes = [...run, ...voids].map((record) => record.bytes);
    return {
      lane,
      group: encodeDeliveryGroup(signMessage(meter.identity, statement), bytes),
      expected,
      voids: voids.map(({ seq }) => seq),
      more: records.length === share || run.length < records.length || voids.length === room,
    };
  }

  async #accept({ lane, expected, voids }: Part, answer: readonly Signed<Acknowledgement>[]): Promise<void> {
    const { outbox, collectorKey } = this.#tools;
    const signed = this.#acknowledgementFor(lane.meter, answer);
    const { first, seq, runningHash: hash } = signed.value;
    if (first !== expected.first || seq !== expected.ackedTo || !equalBytes(hash, expected.runningHash)) {
      throw new MetersealError('bad-message', "couldn't accept acknowledgement: it covers something else");
    }
    const acknowledgement = concat(signed.message, signed.signature);
    await outbox.saveDelivery(lane.meter.number, collectorKey, { ...expected, acknowledgement }, voids);
    lane.refusals.succeeded();
    lane.isDoubted = false;
    if (voids.length > 0) this.#tools.onVoidsDelivered?.(lane.meter.number);
  }

  /** Tells the collector that the numbers up to `to` will never come. */
  async #stateGap(meter: DeliveredMeter, state: DeliveryState, to: number): Promise<DeliveryState> {
    const { client, outbox, collectorKey, log } = this.#tools;
    const from = state.ackedTo + 1;
    log.warn({ subject: meter.ref.subject, from, to }, 'numbers lost: gap stated to the collector');
    const message = encodeGap({ ...this.#common(meter), from, to, reason: 'lost-by-field' });
    const signed = this.#acknowledgementFor(
      meter,
      await client.stateGaps(signMessage(meter.identity, message)),
    );
    const { first, seq, runningHash: hash } = signed.value;
    if (first !== to + 1 || seq !== to) {
      throw new MetersealError('bad-message', "couldn't accept acknowledgement: it does not name the gap");
    }
    const behind = { first, ackedTo: seq, runningHash: hash };
    const acknowledgement = concat(signed.message, signed.signature);
    await outbox.saveDelivery(meter.number, collectorKey, { ...behind, acknowledgement }, []);
    return behind;
  }

  #common(meter: DeliveredMeter): { platformId: string; meter: MeterRef; collectorKey: Uint8Array } {
    const { platformId, collectorKey } = this.#tools;
    return { platformId, meter: meter.ref, collectorKey };
  }

  #acknowledgementFor(
    { ref }: DeliveredMeter,
    acknowledgements: readonly Signed<Acknowledgement>[],
  ): Signed<Acknowledgement> {
    const { crypto, collectorKey, platformId } = this.#tools;
    const signed = acknowledgements.find(({ value }) => value.meter.subject === ref.subject);
    if (
      signed === undefined ||
      signed.value.platformId !== platformId ||
      !equalBytes(signed.value.meter.commitment, ref.commitment) ||
      !equalBytes(signed.value.collectorKey, collectorKey) ||
      !isSignedBy(crypto, collectorKey, signed)
    ) {
      throw new MetersealError(
        'bad-signature',
        "couldn't accept acknowledgement: it is not the collector's own",
        { hint: "Check the collector's key in the configuration." },
      );
    }
    return signed;
  }
}

function isOfOneMeter(error: unknown): error is MetersealError {
  return isMetersealError(error, ...OF_ONE_METER) && !isOutage(error);
}
