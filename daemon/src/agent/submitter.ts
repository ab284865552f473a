import type { Checkpoint, ReadingResult } from '@meterseal/protocol';
import { isMetersealError, MAX_BATCH, MetersealError, parseCheckpoint, parseNote } from '@meterseal/protocol';
import { isOutage, RefusedRequest } from '../host/http-client.js';
import type { EnrolledMeter } from './enrolment.js';
import { isStoreFailure } from './field-store.js';
import type { SubmissionTools, Transmission } from './meter-submission.js';
import { MeterSubmission } from './meter-submission.js';
import { sealRecords } from './seal-records.js';

export type SubmitterTools = SubmissionTools;

type Part = Transmission & { readonly meter: MeterSubmission };

/** The platform takes so many events an hour: after a refusal for their number they wait. */
const EVENTS_PAUSE_MS = 60_000;

/**
 * Interface 1 for the meters of this field: seals what is stored and has not reached the chain, in order per meter, and
 * notes the receipts. The field is also witness zero: whenever the platform may have been started anew it is shown the last
 * checkpoint that was seen.
 */
export class Submitter {
  readonly #tools: SubmitterTools;
  readonly #meters = new Map<number, MeterSubmission>();
  #isReceiptShown = false;
  #lastSeen: Checkpoint | undefined;
  #eventsNotBefore = Number.NEGATIVE_INFINITY;

  constructor(tools: SubmitterTools) {
    this.#tools = tools;
  }

  add(meter: EnrolledMeter): void {
    this.#meters.set(meter.meter.number, new MeterSubmission(meter, this.#tools));
  }

  get sessions(): number {
    return [...this.#meters.values()].filter(({ hasSession }) => hasSession).length;
  }

  /** True if this meter's readings may go to collectors: see `MeterSubmission.mayDeliver`. */
  mayDeliver(number: number): boolean {
    return this.#meters.get(number)?.mayDeliver ?? false;
  }

  /** Ends all sessions: their keys are forgotten. */
  close(): void {
    for (const meter of this.#meters.values()) meter.forget();
  }

  /**
   * One transmission: waiting events, then at most `MAX_BATCH` readings of all meters, each in order.
   *
   * @returns true while there is more to send
   * @throws MetersealError `unreachable`, `timeout`, a failure of the platform or of field.db; nothing is lost, call again
   *   later. What is refused for one meter leaves the others running, and is not thrown
   */
  async submit(): Promise<boolean> {
    try {
      await this.#showReceipt();
      await this.#sendEvents();
      return await this.#transmit();
    } catch (error) {
      this.#isReceiptShown = false;
      for (const meter of this.#meters.values()) meter.noteTried();
      throw error;
    }
  }

  async #transmit(): Promise<boolean> {
    const share = Math.max(1, Math.floor(MAX_BATCH / Math.max(1, this.#meters.size)));
    // Each meter waits for its own session, so that the platform can commit many of them at once.
    const prepared = await Promise.allSettled(
      [...this.#meters.values()].map((meter) => this.#prepare(meter, share)),
    );
    for (const outcome of prepared) if (outcome.status === 'rejected') throw outcome.reason;
    const parts = prepared.flatMap((outcome) =>
      outcome.status === 'fulfilled' ? (outcome.value ?? []) : [],
    );
    if (parts.length === 0) return false;

    const frames = parts.flatMap(({ session, records }) => {
      const sealed = sealRecords(
        session.key,
        records.map(({ bytes }) => bytes),
      );
      return sealed.map((one) => ({ session: session.number, sealed: one }));
    });
    const { checkpoint, results } = await this.#tools.platform.submit(frames);
    await this.#witness(checkpoint);
    let more = false;
    let at = 0;
    for (const part of parts) {
      const own = results.slice(at, at + part.records.length);
      at += own.length;
      if (own.some(({ code }) => code === 'session-unknown')) this.#isReceiptShown = false;
      if ((await this.#settle(part, own)) || part.more) more = true;
    }
    return more;
  }

  async #prepare(meter: MeterSubmission, share: number): Promise<Part | undefined> {
    try {
      const transmission = await meter.prepare(share);
      return transmission === undefined ? undefined : { ...transmission, meter };
    } catch (error) {
      if (!concernsOneMeter(error)) throw error;
      meter.refused(error);
      return undefined;
    }
  }

  async #settle({ meter, records }: Part, results: readonly ReadingResult[]): Promise<boolean> {
    try {
      return await meter.settle(records, results);
    } catch (error) {
      if (!concernsOneMeter(error)) throw error;
      meter.refused(error);
      return false;
    }
  }

  async #showReceipt(): Promise<void> {
    if (this.#isReceiptShown) return;
    const receipt = await this.#tools.store.lastReceipt();
    if (receipt !== undefined) {
      this.#lastSeen = checkpointOf(receipt);
      await this.#tools.platform.presentReceipt(receipt);
    }
    this.#isReceiptShown = true;
  }

  /** Keeps the newest checkpoint, and refuses one of the same chain that covers less than was seen. */
  async #witness(note: string): Promise<void> {
    const checkpoint = checkpointOf(note);
    const seen = this.#lastSeen;
    if (seen?.origin === checkpoint.origin && checkpoint.size < seen.size) {
      throw new MetersealError(
        'behind-witness',
        `couldn't accept receipt: it covers ${checkpoint.size} entries, and ${seen.size} were seen`,
        { hint: 'The chain was put back to an earlier copy, or cloned: restore the newest chain.db.' },
      );
    }
    await this.#tools.store.saveLastReceipt(note);
    this.#lastSeen = checkpoint;
  }

  async #sendEvents(): Promise<void> {
    const { store, platform, clock, log } = this.#tools;
    if (clock.monotonic() < this.#eventsNotBefore) return;
    const full = new Set<string>();
    for (const { id, event } of await store.events()) {
      const { kind } = event;
      // So many of a kind and meter are taken in an hour; the others do not wait for them.
      const limit = `${kind} ${event['subject']}`;
      if (full.has(limit)) continue;
      try {
        await platform.event(event);
      } catch (error) {
        if (!(error instanceof RefusedRequest) || isOutage(error)) throw error;
        if (error.code === 'rate-limited') {
          full.add(limit);
          this.#eventsNotBefore = clock.monotonic() + EVENTS_PAUSE_MS;
          continue;
        }
        log.error({ err: error, kind }, 'event refused by the platform');
      }
      await store.removeEvent(id);
    }
  }
}

/** True for what the platform, or a meter's own data, refuses to one meter; false for what stops them all. */
function concernsOneMeter(error: unknown): boolean {
  if (!isMetersealError(error) || isOutage(error)) return false;
  return error instanceof RefusedRequest || !isStoreFailure(error);
}

function checkpointOf(note: string): Checkpoint {
  return parseCheckpoint(parseNote(note).text);
}
