import type { Clock, ComparisonResult } from '@meterseal/node-red-meterseal/core';
import type { Verdict } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { ComparisonMessage } from './comparison-message.js';
import { comparisonMessage } from './comparison-message.js';
import type { LinkController } from './link.js';
import type { Examined, Verification } from './verification.js';
import { examine, Judgement } from './verification.js';

/** A message of a flow, with whatever else it carries. */
export type VerifiedMessage = {
  reading?: unknown;
  payload?: unknown;
  reset?: unknown;
  verification?: Verification;
  comparison?: ComparisonMessage;
};

export type VerifySettings = {
  /** Milliseconds after which waiting readings are compared; 0 for only when asked or when many wait. */
  readonly interval: number;
  /** So many waiting readings begin a comparison at once. */
  readonly batch: number;
  /** No more than these wait; what comes beyond is passed on without a comparison. */
  readonly most: number;
  /** Milliseconds for which a reading waits that the chain does not have yet, or that no comparison could be made of. */
  readonly patience: number;
};

export type VerifyCounts = { readonly [K in Verdict]: number } & { readonly waiting: number };

export type VerifyTools = {
  readonly link: Pick<LinkController, 'collector' | 'compare'>;
  readonly clock: Clock;
  /** One message, to the output of its verdict. */
  readonly send: (verdict: Verdict, message: VerifiedMessage) => void;
  /** Told whenever something has changed that a status shows. */
  readonly onChange: () => void;
  readonly onError: (error: unknown) => void;
};

type Waiting = {
  readonly message: VerifiedMessage;
  readonly examined: Examined;
  readonly since: number;
  readonly done: (error?: unknown) => void;
};

const NONE = { verified: 0, tampered: 0, unverifiable: 0 };
/** Reasons that may be gone at the next comparison. */
const PASSING = new Set(['not-yet-anchored', 'link-denied', 'platform-unreachable', 'stale-checkpoint']);

/**
 * Judges the readings of messages by comparisons of everything that is held. Readings wait, so that one comparison serves
 * many; the order in which they came is the order in which they leave, per verdict.
 */
export class VerifyController {
  readonly #settings: VerifySettings;
  readonly #tools: VerifyTools;
  #waiting: Waiting[] = [];
  readonly #asked: { message: VerifiedMessage; done: (error?: unknown) => void }[] = [];
  readonly #counts = { ...NONE };
  #lastAsked = NONE;
  #isAlarmed = false;
  readonly #closed = new AbortController();
  #alarm: AbortController | undefined;
  #working = false;
  /** How many of those that wait were compared already, and are to be once more. */
  #triedAgain = 0;

  constructor(settings: VerifySettings, tools: VerifyTools) {
    this.#settings = settings;
    this.#tools = tools;
  }

  /**
   * Readings judged since the start or the last reset, and those that wait. Where no reading came through, what the last
   * comparison found that was asked for.
   */
  get counts(): VerifyCounts {
    const { verified, tampered, unverifiable } = this.#counts;
    const own = verified + tampered + unverifiable > 0 ? this.#counts : this.#lastAsked;
    return { ...own, waiting: this.#waiting.length };
  }

  /** Something tampered was found since the start or the last reset. */
  get isAlarmed(): boolean {
    return this.#isAlarmed;
  }

  get isComparing(): boolean {
    return this.#working;
  }

  /**
   * A message with a reading waits for its verdict; one with `reset` sets the counts to zero; any other asks for a
   * comparison now. Resolves when the message has been sent on.
   *
   * @throws MetersealError where no comparison can be made at all, as `LinkController.compare`; `stopped` after `close`
   */
  take(message: VerifiedMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: unknown): void => (error === undefined ? resolve() : reject(error));
      if (this.#closed.signal.aborted) return done(stopped());
      if (message.reading !== undefined) this.#enqueue(message, done);
      else if (message.reset !== undefined && message.reset !== false) this.#reset(done);
      else {
        this.#asked.push({ message, done });
        this.#begin();
      }
      this.#tools.onChange();
    });
  }

  /** Compares no more; what waits is given back with an error. */
  close(): void {
    this.#closed.abort();
    this.#alarm?.abort();
    for (const { done } of [...this.#waiting.splice(0), ...this.#asked.splice(0)]) done(stopped());
  }

  #reset(done: () => void): void {
    Object.assign(this.#counts, NONE);
    this.#lastAsked = NONE;
    this.#isAlarmed = false;
    done();
  }

  #enqueue(message: VerifiedMessage, done: Waiting['done']): void {
    const { most, batch, interval } = this.#settings;
    const { clock } = this.#tools;
    if (this.#waiting.length >= most) {
      const checkedAt = new Date(clock.now()).toISOString();
      this.#pass(message, { verdict: 'unverifiable', reason: 'queue-full', checkedAt });
      done();
      return;
    }
    this.#waiting.push({ message, examined: examine(message), since: clock.monotonic(), done });
    if (this.#waiting.length >= batch) this.#begin();
    else if (interval > 0) this.#wake(interval);
  }

  /** Begins a comparison after `ms`, unless one is to begin anyway. */
  #wake(ms: number): void {
    if (this.#alarm !== undefined || this.#working || this.#closed.signal.aborted) return;
    const alarm = new AbortController();
    this.#alarm = alarm;
    void this.#tools.clock.sleep(ms, alarm.signal).then(() => {
      if (this.#alarm === alarm) this.#alarm = undefined;
      if (!alarm.signal.aborted) this.#begin();
    });
  }

  #begin(): void {
    if (this.#working || this.#closed.signal.aborted) return;
    this.#alarm?.abort();
    this.#alarm = undefined;
    this.#working = true;
    this.#work()
      .catch(this.#tools.onError)
      .finally(() => {
        this.#working = false;
        this.#tools.onChange();
        if (this.#asked.length > 0) this.#begin();
        else if (this.#waiting.length > 0) this.#afterwards();
      });
  }

  /** What came while it compared, and what is to be tried again. */
  #afterwards(): void {
    const { interval, batch } = this.#settings;
    if (this.#waiting.length - this.#triedAgain >= batch) this.#begin();
    else if (interval > 0) this.#wake(interval);
    else if (this.#triedAgain > 0) this.#wake(RETRY_MS);
  }

  async #work(): Promise<void> {
    const asked = this.#asked.splice(0);
    const judged = this.#waiting.splice(0);
    this.#triedAgain = 0;
    this.#tools.onChange();
    let result: ComparisonResult;
    let judgement: Judgement;
    let at: number;
    try {
      const { held } = await this.#tools.link.collector();
      result = await this.#tools.link.compare();
      at = this.#tools.clock.now();
      judgement = new Judgement(result, (meter, seq) => held.hashesOf(meter, seq), at);
    } catch (error) {
      for (const { done } of [...asked, ...judged]) done(error);
      return;
    }
    const again: Waiting[] = [];
    for (const waiting of judged) {
      const verification = judgement.of(waiting.examined);
      const isPassing =
        PASSING.has(verification.reason) && this.#age(waiting.since) < this.#settings.patience;
      if (isPassing && !this.#closed.signal.aborted) {
        again.push(waiting);
        continue;
      }
      this.#pass(waiting.message, verification);
      waiting.done();
    }
    this.#waiting = [...again, ...this.#waiting];
    this.#triedAgain = again.length;
    for (const { message, done } of asked) {
      message.comparison = comparisonMessage(result, at);
      message.payload = { ...result.counts };
      this.#lastAsked = result.counts;
      this.#isAlarmed ||= message.comparison.verdict === 'tampered';
      this.#tools.send(message.comparison.verdict, message);
      done();
    }
  }

  #pass(message: VerifiedMessage, verification: Verification): void {
    message.verification = verification;
    this.#counts[verification.verdict]++;
    this.#isAlarmed ||= verification.verdict === 'tampered';
    this.#tools.send(verification.verdict, message);
  }

  #age(since: number): number {
    return this.#tools.clock.monotonic() - since;
  }
}

/** Between two tries where no interval is set. */
const RETRY_MS = 5_000;

function stopped(): MetersealError {
  return new MetersealError('stopped', "couldn't verify: the node was closed before the comparison", {
    hint: 'The reading is kept: send it again from the store, with a replay node.',
  });
}
