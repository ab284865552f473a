import type { Engine } from '@meterseal/native';
import type { ErrorCode, ReadingResult, ReadingResultCode } from '@meterseal/protocol';
import { equalBytes, MetersealError } from '@meterseal/protocol';
import { BackOff } from '../host/back-off.js';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import type { EnrolledMeter } from './enrolment.js';
import type { FieldStore } from './field-store.js';
import type { PlatformClient } from './platform-client.js';
import type { Recorder } from './recorder.js';
import type { Session } from './session.js';
import { openSession } from './session.js';
import type { StoredRecord } from './stored-record.js';

export type SubmissionTools = {
  readonly platform: PlatformClient;
  readonly store: FieldStore;
  readonly recorder: Recorder;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly platformId: string;
  /** `per-transmission` authenticates for every transmission, as the original method has it. */
  readonly sessionUse: 'reused' | 'per-transmission';
  /** False while a meter's numbers still have to be compared with a collector's. */
  readonly mayAnchor: (number: number) => boolean;
  /** The lowest number whose void record has to reach a collector before the chain; undefined where none has to wait. */
  readonly undeliveredVoid: (number: number) => Promise<number | undefined>;
};

/** What one meter sends in one transmission. */
export type Transmission = {
  readonly session: Session;
  readonly records: readonly StoredRecord[];
  /** True if it has more to send than this. */
  readonly more: boolean;
};

type Refusal = Exclude<ReadingResultCode, 'accepted' | 'duplicate'>;

/** What the platform will answer with again, however often the same bytes are sent. */
const REFUSED_FOR_GOOD: readonly string[] = ['record-invalid', 'meter-mismatch'] satisfies ErrorCode[];
/** Answers after which a session that was good before is simply opened again. */
const SESSION_ENDED: readonly string[] = ['session-unknown', 'session-expired'] satisfies ErrorCode[];
/** First and longest pause of a meter that the platform refuses, so that it does not fill the chain with rejections. */
const REFUSED_PAUSE_MS = { first: 5_000, most: 600_000 };

/**
 * One meter on interface 1: its session, what it has to send, and what the answers mean. All that it knows besides the
 * session is in field.db, so it can be stopped anywhere.
 *
 * Whenever a session is opened, the end of the chain is compared with field.db. A chain that holds a number which field.db
 * does not have, or has with another hash, has seen more than field.db remembers: the database was put back to an earlier
 * copy. Then no number may be used twice: see `FieldStore.restart`.
 */
export class MeterSubmission {
  readonly enrolled: EnrolledMeter;
  readonly #tools: SubmissionTools;
  #session: Session | undefined;
  /** True while no transmission of the session was answered: what it is refused then it would be refused again. */
  #isFresh = false;
  /** The end of the chain, while it is not known which of the numbers up to there are ours. */
  #peak: number | undefined;
  #isCompared = false;
  #wasTried = false;
  readonly #refusals: BackOff;

  constructor(enrolled: EnrolledMeter, tools: SubmissionTools) {
    this.enrolled = enrolled;
    this.#tools = tools;
    this.#refusals = new BackOff(tools.clock, REFUSED_PAUSE_MS);
  }

  get hasSession(): boolean {
    return this.#session !== undefined;
  }

  /**
   * True once this meter's numbers were compared with the chain's, so that they may go to collectors; and if that could
   * not be done: a platform that is away, or refuses the meter, does not hold up collection.
   */
  get mayDeliver(): boolean {
    return this.#isCompared || this.#wasTried;
  }

  /** The comparison with the chain was tried, and has to wait. */
  noteTried(): void {
    this.#wasTried = true;
  }

  /** Ends the session: its key is forgotten. */
  forget(): void {
    this.#session?.key.destroy();
    this.#session = undefined;
  }

  /** The platform refuses this meter: it waits, longer each time, and the others go on. */
  refused(error: unknown): void {
    this.#wasTried = true;
    this.forget();
    const waits = this.#refusals.failed();
    this.#tools.log.warn(
      { subject: this.enrolled.meter.subject, err: error, waits },
      'meter refused by the platform',
    );
  }

  /**
   * What is to be sent now; undefined where there is nothing, or the meter has to wait.
   *
   * @param most records in one transmission
   * @throws MetersealError what the platform refuses or why it is away; failures of field.db
   */
  async prepare(most: number): Promise<Transmission | undefined> {
    const { store, mayAnchor } = this.#tools;
    if (this.#refusals.isWaiting) return undefined;
    const meter = await this.#meter();
    const [next] = await store.unanchored(meter, 1);
    if (this.#isCompared && (next === undefined || !mayAnchor(this.#number))) return undefined;
    // Before lost numbers are filled, the end of the chain must be known anew: it may have got some of them by now.
    if (next !== undefined && next.seq > meter.anchoredTo + 1) this.forget();
    const session = this.#session ?? (await this.#open());
    const shared = await this.#shared(most);
    if (shared.length > 0) return { session, records: shared, more: true };
    this.#isCompared = true;
    // A collector may have seen numbers that the chain has not: they must not be used again.
    return mayAnchor(this.#number) ? this.#following(session, most) : undefined;
  }

  /**
   * Notes what the platform answered.
   *
   * @param results one for each of the records
   * @returns true if there is reason to send again at once
   */
  async settle(records: readonly StoredRecord[], results: readonly ReadingResult[]): Promise<boolean> {
    const { store, sessionUse } = this.#tools;
    const codes = results.map(({ code }) => code);
    const refusedAt = codes.findIndex(isRefusal);
    const good = refusedAt < 0 ? results.length : refusedAt;
    await store.saveReceipts(
      this.#number,
      records.slice(0, good).map(({ seq, version }, i) => ({ seq, version, index: results[i]!.index! })),
    );
    const isHopeless = this.#isFresh && good === 0;
    this.#isFresh = false;
    if (good > 0) this.#refusals.succeeded();
    const code = codes[good];
    const again =
      code !== undefined && isRefusal(code) && (await this.#answer(records[good]!, code, isHopeless));
    if (sessionUse === 'per-transmission') this.forget();
    return again;
  }

  get #number(): number {
    return this.enrolled.meter.number;
  }

  async #meter(): ReturnType<FieldStore['meter']> {
    return (await this.#tools.store.findMeter(this.enrolled.meter.id))!;
  }

  /** @param isHopeless true if the very first record of a new session was refused */
  async #answer(refused: StoredRecord, code: Refusal, isHopeless: boolean): Promise<boolean> {
    const { store, recorder, log } = this.#tools;
    const { seq, version } = refused;
    const { subject } = this.enrolled.meter;
    if (code === 'conflict') {
      log.warn({ subject, seq }, 'the chain holds another reading under this number');
      // What the chain ends with by now shows the next session.
      const peak = Math.max(this.#peak ?? this.#session?.last?.seq ?? seq, seq);
      this.forget();
      await this.#restart(seq, peak);
      return true;
    }
    if (REFUSED_FOR_GOOD.includes(code) && version === 0) {
      log.warn({ subject, seq, code }, 'reading refused for good: its number gets a void record');
      const like = (await store.lastRecord(this.#number))!;
      const made = recorder.voidOf(this.enrolled.meter.id, refused, code, like.bytes);
      await store.addVoid(this.#number, seq, made);
      return true;
    }
    if (SESSION_ENDED.includes(code) && !isHopeless) {
      this.forget();
      return true;
    }
    this.refused(new MetersealError(code, `couldn't submit reading ${seq}: ${code}`));
    return false;
  }

  async #open(): Promise<Session> {
    const { log, store } = this.#tools;
    const session = await openSession(this.enrolled, this.#tools);
    this.#session = session;
    this.#isFresh = true;
    const meter = await this.#meter();
    log.debug({ subject: meter.subject, session: session.number }, 'session opened');
    const { last } = session;
    if (last !== null && last.seq < meter.anchoredTo) {
      throw new MetersealError(
        'behind-witness',
        `couldn't submit readings: the chain ends at number ${last.seq}, and gave receipts up to ${meter.anchoredTo}`,
        { hint: 'The chain was put back to an earlier copy: restore the newest chain.db.' },
      );
    }
    this.#peak = undefined;
    if (last !== null && last.seq > meter.anchoredTo) {
      const own = await store.record(this.#number, last.seq);
      if (own === undefined || !equalBytes(own.hash, last.hash)) this.#peak = last.seq;
    }
    return session;
  }

  /**
   * Records that are sent again because the chain may have them: its answers say which of them are ours. Once there is
   * none left, nothing up to the end of the chain is in doubt.
   */
  async #shared(most: number): Promise<readonly StoredRecord[]> {
    const peak = this.#peak;
    if (peak === undefined) return [];
    const meter = await this.#meter();
    const shared = (await this.#tools.store.unanchored(meter, most)).filter(({ seq }) => seq <= peak);
    if (shared.length === 0) await this.#restart(meter.anchoredTo + 1, peak);
    return shared;
  }

  /** What follows the end of the chain without a gap; numbers that were lost get their void records here. */
  async #following(session: Session, most: number): Promise<Transmission | undefined> {
    const { store, recorder } = this.#tools;
    const meter = await this.#meter();
    let due = await store.unanchored(meter, most);
    if (due.length === 0) return undefined;
    if (due[0]!.seq > meter.anchoredTo + 1) {
      await store.fillLost(this.#number, (like, seq) => recorder.lost(like, seq), most);
      due = await store.unanchored(meter, most);
    }
    const end = (await this.#tools.undeliveredVoid(this.#number)) ?? Number.POSITIVE_INFINITY;
    const records = due.filter(({ seq }, i) => seq === meter.anchoredTo + 1 + i && seq < end);
    if (records.length === 0) return undefined;
    return { session, records, more: due.length === most || records.length < due.length };
  }

  async #restart(from: number, peak: number): Promise<void> {
    const { store, recorder, log } = this.#tools;
    const seen = { from, peak, onChain: true };
    const given = await store.restart(this.#number, seen, (bytes, seq) => recorder.remake(bytes, seq));
    this.#peak = undefined;
    if (given === undefined) return;
    log.error(
      { subject: this.enrolled.meter.subject, ...given },
      'the chain is ahead of field.db, which was put back to an earlier copy: numbers given up',
    );
  }
}

function isRefusal(code: ReadingResultCode): code is Refusal {
  return code !== 'accepted' && code !== 'duplicate';
}
