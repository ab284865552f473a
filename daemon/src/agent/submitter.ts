import type { Engine } from '@meterseal/native';
import type { ErrorCode, EventBody, ReadingFrame, ReadingResult } from '@meterseal/protocol';
import { isMetersealError, MAX_BATCH, MetersealError } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import type { EnrolledMeter } from './enrolment.js';
import type { FieldStore, StoredRecord } from './field-store.js';
import type { PlatformClient } from './platform-client.js';
import type { Recorder } from './recorder.js';
import type { Session } from './session.js';
import { openSession } from './session.js';

export type SubmitterTools = {
  readonly platform: PlatformClient;
  readonly store: FieldStore;
  readonly recorder: Recorder;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly platformId: string;
  /** `per-transmission` authenticates for every transmission, as the original method has it. */
  readonly sessionUse: 'reused' | 'per-transmission';
};

/** What the platform will answer with again, however often the same bytes are sent. */
const REFUSED_FOR_GOOD = ['record-invalid', 'meter-mismatch'] as const;

/**
 * Interface 1 for the meters of this field: seals what is stored and has not reached the chain, in order per meter, and
 * notes the receipts. All that it knows besides the sessions is in field.db, so it can be stopped anywhere.
 */
export class Submitter {
  readonly #tools: SubmitterTools;
  readonly #meters = new Map<number, EnrolledMeter>();
  readonly #sessions = new Map<number, Session>();
  /** Meters that this process has compared with the chain once. */
  readonly #reconciled = new Set<number>();

  constructor(tools: SubmitterTools) {
    this.#tools = tools;
  }

  add(meter: EnrolledMeter): void {
    this.#meters.set(meter.meter.number, meter);
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  /** True once this meter's numbers were compared with the chain's, so that they may go to collectors. */
  isReconciled(number: number): boolean {
    return this.#reconciled.has(number);
  }

  /** Ends all sessions: their keys are forgotten. */
  close(): void {
    for (const number of [...this.#sessions.keys()]) this.#forget(number);
  }

  /**
   * One transmission: at most `MAX_BATCH` readings of all meters, each in order.
   *
   * @returns true while there is more to send
   * @throws MetersealError `unreachable`, `timeout` where the platform is away; nothing is lost, call again later
   */
  async submit(): Promise<boolean> {
    const { store, platform } = this.#tools;
    const batches: { enrolled: EnrolledMeter; session: Session; records: StoredRecord[] }[] = [];
    const share = Math.max(1, Math.floor(MAX_BATCH / Math.max(1, this.#meters.size)));
    let more = false;
    for (const enrolled of this.#meters.values()) {
      const known = this.#reconciled.has(enrolled.meter.number);
      const row = (await store.findMeter(enrolled.meter.id))!;
      const records = await store.unanchored(row, share);
      if (records.length === 0 && known) continue;
      const session = await this.#session(enrolled);
      if (session === undefined) continue;
      if (await this.#isPastRollback(enrolled, session, records))
        batches.push({ enrolled, session, records });
      else more = true;
    }
    const frames: ReadingFrame[] = batches.flatMap(({ session, records }) =>
      records.map(({ bytes }) => ({ session: session.number, sealed: session.key.seal(bytes) })),
    );
    if (frames.length === 0) return more;
    const { checkpoint, results } = await platform.submit(frames);
    let at = 0;
    for (const { enrolled, records } of batches) {
      const own = results.slice(at, at + records.length);
      at += records.length;
      if (await this.#settle(enrolled, records, own)) more = true;
      if (records.length === share) more = true;
      if (this.#tools.sessionUse === 'per-transmission') this.#forget(enrolled.meter.number);
    }
    await store.saveLastReceipt(checkpoint);
    return more;
  }

  /** A session that is good for now; undefined where the platform refuses this meter, which the others survive. */
  async #session(enrolled: EnrolledMeter): Promise<Session | undefined> {
    const { clock, log } = this.#tools;
    const { number, subject } = enrolled.meter;
    const held = this.#sessions.get(number);
    if (held !== undefined && clock.monotonic() < held.endsAt) return held;
    this.#forget(number);
    try {
      const session = await openSession(enrolled, this.#tools);
      this.#sessions.set(number, session);
      log.info({ subject, session: session.number }, 'session opened');
      return session;
    } catch (error) {
      if (isMetersealError(error, 'unreachable', 'timeout', 'stopped')) throw error;
      log.warn({ subject, err: error }, 'session refused');
      return undefined;
    }
  }

  /**
   * Compares with what the chain last saw of this meter. A chain that holds a number which field.db does not have, or
   * has with another hash, has seen more than field.db remembers: the database was put back to an earlier copy. Then
   * nothing may use a number twice: what never reached the chain is made again above the chain's number.
   *
   * @returns false where numbers changed, so that `records` are no longer what is to be sent
   */
  async #isPastRollback(
    enrolled: EnrolledMeter,
    session: Session,
    records: readonly StoredRecord[],
  ): Promise<boolean> {
    const { number } = enrolled.meter;
    const { last } = session;
    // Numbers that the chain has already are sent again first: their answers (duplicate, conflict) say which are ours.
    const known = last === null || records.some((record) => record.seq <= last.seq);
    const row = (await this.#tools.store.findMeter(enrolled.meter.id))!;
    if (known || last.seq <= row.anchoredTo) {
      if (last === null || last.seq <= row.anchoredTo) this.#reconciled.add(number);
      return true;
    }
    await this.#renumber(enrolled, last.seq);
    return false;
  }

  async #renumber(enrolled: EnrolledMeter, peak: number): Promise<void> {
    const { store, recorder, log } = this.#tools;
    const { number, subject, id } = enrolled.meter;
    const from = (await store.findMeter(id))!.anchoredTo + 1;
    const remade = await store.renumber(number, from, peak, (bytes, seq) => recorder.remake(bytes, seq));
    this.#reconciled.add(number);
    log.error(
      { subject, from, to: peak, remade },
      'the chain is ahead of field.db: it was put back to an earlier copy',
    );
    await this.#event({ kind: 'restored', subject: subject!, from, to: peak, remade });
  }

  /** Notes what the platform answered for one meter's records. @returns true if there is reason to send again at once */
  async #settle(
    enrolled: EnrolledMeter,
    records: readonly StoredRecord[],
    results: readonly ReadingResult[],
  ): Promise<boolean> {
    const { store, recorder, log } = this.#tools;
    const { number, subject } = enrolled.meter;
    const refusedAt = results.findIndex(({ code }) => code !== 'accepted' && code !== 'duplicate');
    const good = refusedAt < 0 ? results.length : refusedAt;
    await store.saveReceipts(
      number,
      records.slice(0, good).map(({ seq, version }, i) => ({ seq, version, index: results[i]!.index! })),
    );
    if (refusedAt < 0) return false;

    const { code } = results[refusedAt]!;
    const refused = records[refusedAt]!;
    log.warn({ subject, seq: refused.seq, code }, 'reading refused by the platform');
    const last = this.#sessions.get(number)?.last ?? null;
    this.#forget(number);
    if (code === 'conflict') {
      // Only a session that was opened after the numbers parted knows where the chain ends.
      if (last !== null && last.seq >= refused.seq) await this.#renumber(enrolled, last.seq);
      return true;
    }
    if (REFUSED_FOR_GOOD.some((final) => final === code)) {
      if (refused.version === 1)
        throw new MetersealError(code as ErrorCode, "couldn't submit void record: refused too");
      const { bytes, hash } = recorder.voidOf(refused.bytes, code);
      await store.addVoid(number, refused.seq, bytes, hash);
      return true;
    }
    // A session that has ended is opened again at once; anything else waits for the next cycle.
    return code === 'session-unknown' || code === 'session-expired';
  }

  #forget(number: number): void {
    this.#sessions.get(number)?.key.destroy();
    this.#sessions.delete(number);
  }

  async #event(event: EventBody): Promise<void> {
    try {
      await this.#tools.platform.event(event);
    } catch (error) {
      this.#tools.log.warn({ err: error }, 'event not committed');
    }
  }
}
