import type { ErrorCode } from '@meterseal/protocol';
import type { LateReplies } from './late-replies.js';
import type { RegisterRead } from './register-read.js';
import { answerLength } from './register-read.js';
import type { Recognition, Wire } from './wire.js';

/*
 * What may happen on a line, and when. Pure: time comes in with every input, and nothing goes out but actions.
 *
 *              opened              quiet for drainMs / gapMs / silenceMs, a read is there
 *   closed ───────────▶ quiet ─────────────────────────────────────────────▶ waiting
 *     ▲                  │  ▲                                                   │
 *     └──────────────────┴──┴── answer: gapMs · timeout or bad frame: silenceMs ┘
 *
 * A read is sent when the line has been quiet long enough and no late answer can be taken for its own (see
 * late-replies); until then other reads, whose answers are thrown away, clear the line before it.
 */

/** Times of a line, in milliseconds. */
export interface LineTiming {
  /** From the end of a request to the first byte of the answer. */
  readonly responseMs: number;
  /** One byte on the wire; 0 where that does not count. */
  readonly byteMs: number;
  /** Silence between a frame and the next request. */
  readonly gapMs: number;
  /** Silence after a timeout or a bad frame. */
  readonly silenceMs: number;
  /** Silence after opening: what was left in the line has to come out first. */
  readonly drainMs: number;
}

export interface DueRead {
  readonly read: RegisterRead;
  /** When it has to be settled. */
  readonly deadline: number;
  /** Reads that its unit is known to answer. */
  readonly others?: readonly RegisterRead[];
  /** Least time between an answer of its unit and the next request to it, ms. */
  readonly pauseMs?: number;
}

export type LineInput =
  | { readonly kind: 'opened' }
  | { readonly kind: 'closed'; readonly reason: string }
  | ({ readonly kind: 'read' } & DueRead)
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'clock' };

/** Why a read has no registers; `timeout` is a deadline that passed, `no-answer` a meter that said nothing. */
export type Rejection = {
  readonly code: Extract<
    ErrorCode,
    'no-answer' | 'timeout' | 'frame-invalid' | 'meter-exception' | 'port-failed'
  >;
  readonly reason: string;
  /** Code of the Modbus exception, or the error byte of DL/T 645. */
  readonly exception?: number;
};

export type LineAction =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'accept'; readonly read: RegisterRead; readonly words: Uint16Array }
  | ({ readonly kind: 'reject' } & Rejection)
  /** Nothing is sent before `until`, and later still if bytes come. */
  | { readonly kind: 'need-silence'; readonly until: number }
  /** The connection is of no use any longer and has to be closed. */
  | { readonly kind: 'abandon'; readonly reason: string };

export interface LineCounters {
  sent: number;
  accepted: number;
  /** Reads sent only to clear the line. */
  clearing: number;
  unanswered: number;
  invalid: number;
  unsolicited: number;
}

type State =
  | { readonly kind: 'closed' }
  /** `faulty`: bytes are expected here and thrown away; else they are unsolicited. */
  | { readonly kind: 'quiet'; until: number; readonly span: number; readonly faulty: boolean }
  | {
      readonly kind: 'waiting';
      readonly read: RegisterRead;
      readonly until: number;
      readonly deadline: number;
    };

interface Job extends DueRead {
  /** Reads sent to clear the line for this one. */
  clearing: number;
}

/** More are not worth the time of the other meters on the line. */
const MAX_CLEARING = 3;
/** `gateway path unavailable` and `gateway target device failed to respond`. */
const GATEWAY_EXCEPTIONS: readonly number[] = [0x0a, 0x0b];

/** The state machine of one line: at most one read at a time, and for each exactly one accept or reject. */
export class Framing {
  readonly counters: LineCounters = {
    sent: 0,
    accepted: 0,
    clearing: 0,
    unanswered: 0,
    invalid: 0,
    unsolicited: 0,
  };
  readonly #wire: Wire;
  readonly #timing: LineTiming;
  readonly #late: LateReplies;
  #state: State = { kind: 'closed' };
  #job: Job | undefined;
  /** The unit of the last request: most likely the one that unsolicited bytes are from. */
  #lastUnit: number | undefined;

  constructor(wire: Wire, timing: LineTiming, late: LateReplies) {
    this.#wire = wire;
    this.#timing = timing;
    this.#late = late;
  }

  /** When `clock` has to come in next; undefined while only bytes or a read can change anything. */
  get wakeAt(): number | undefined {
    if (this.#state.kind === 'waiting') return this.#state.until;
    if (this.#job === undefined) return undefined;
    return this.#state.kind === 'quiet'
      ? Math.min(this.#state.until, this.#job.deadline)
      : this.#job.deadline;
  }

  /** @param now milliseconds, never falling from one call to the next */
  step(input: LineInput, now: number): LineAction[] {
    switch (input.kind) {
      case 'opened':
        this.#wire.reset();
        this.#late.opened();
        return [this.#silence(this.#timing.drainMs, true, now), ...this.#advance(now)];
      case 'closed':
        return this.#closed(input.reason);
      case 'read':
        if (this.#job !== undefined) throw new Error('a read was given while another was under way');
        this.#job = { ...input, clearing: 0 };
        return this.#advance(now);
      case 'bytes':
        return this.#state.kind === 'waiting'
          ? this.#whileWaiting(this.#state, this.#wire.receive(input.bytes), now)
          : this.#whileQuiet(input.bytes, now);
      case 'clock':
        return this.#state.kind === 'waiting' && now >= this.#state.until
          ? this.#notAnswered(this.#state, now)
          : this.#advance(now);
    }
  }

  #closed(reason: string): LineAction[] {
    if (this.#state.kind === 'waiting') this.#late.unanswered(this.#state.read);
    this.#state = { kind: 'closed' };
    this.#wire.reset();
    return this.#reject({ code: 'port-failed', reason });
  }

  #whileQuiet(bytes: Uint8Array, now: number): LineAction[] {
    if (this.#state.kind !== 'quiet') return [];
    const { faulty, span, until } = this.#state;
    if (faulty && now < until) {
      this.#wire.receive(bytes);
      this.#state.until = now + span;
      return [{ kind: 'need-silence', until: this.#state.until }];
    }
    const recognition = this.#wire.receive(bytes);
    if (recognition.kind === 'incomplete') return [];
    this.counters.unsolicited += 1;
    if (this.#lastUnit !== undefined) this.#late.unsolicited(this.#lastUnit);
    if (recognition.kind === 'broken') return this.#abandon(recognition.reason);
    return [this.#silence(this.#timing.silenceMs, true, now)];
  }

  #whileWaiting(
    { read, deadline }: Extract<State, { kind: 'waiting' }>,
    recognition: Recognition,
    now: number,
  ): LineAction[] {
    switch (recognition.kind) {
      case 'incomplete':
        return [];
      case 'more':
        return [this.#ask(recognition.bytes, read, deadline, now)];
      case 'words': {
        this.#late.answeredWithRegisters(read);
        const gap = this.#silence(this.#gapAfter(read), false, now);
        if (!this.#isOwn(read)) return [gap, ...this.#advance(now)];
        this.#job = undefined;
        this.counters.accepted += 1;
        return [{ kind: 'accept', read, words: recognition.words }, gap];
      }
      case 'exception': {
        if (read.data === undefined && GATEWAY_EXCEPTIONS.includes(recognition.exception))
          return this.#notAnsweredBehindGateway(read, now);
        this.#late.answeredWithException(read);
        const gap = this.#silence(this.#gapAfter(read), false, now);
        if (!this.#isOwn(read) && (this.#mayClearAgain() || this.#mayBeSent(now))) {
          return [gap, ...this.#advance(now)];
        }
        const { exception } = recognition;
        const what = read.data === undefined ? 'exception' : 'error';
        const reason = `the meter answers with ${what} ${exception}`;
        return [...this.#reject({ code: 'meter-exception', reason, exception }), gap];
      }
      case 'invalid': {
        this.#late.unanswered(read);
        this.counters.invalid += 1;
        const silence = this.#silence(this.#timing.silenceMs, true, now);
        if (!this.#isOwn(read) && this.#mayClearAgain()) return [silence, ...this.#advance(now)];
        return [...this.#reject({ code: 'frame-invalid', reason: recognition.reason }), silence];
      }
      case 'broken':
        this.#late.unanswered(read);
        this.counters.invalid += 1;
        return [
          ...this.#reject({ code: 'frame-invalid', reason: recognition.reason }),
          ...this.#abandon(recognition.reason),
        ];
    }
  }

  /** To a gateway this is a timeout, and the meter's answer may still come to it. */
  #notAnsweredBehindGateway(read: RegisterRead, now: number): LineAction[] {
    this.#late.unanswered(read);
    this.counters.unanswered += 1;
    const silence = this.#silence(this.#timing.silenceMs, true, now);
    return [...this.#reject({ code: 'no-answer', reason: 'the gateway has no answer' }), silence];
  }

  #notAnswered(state: Extract<State, { kind: 'waiting' }>, now: number): LineAction[] {
    this.#late.unanswered(state.read);
    this.counters.unanswered += 1;
    const rejected = this.#wire.heard
      ? this.#reject({ code: 'timeout', reason: 'the answer was not complete in time' })
      : this.#reject({ code: 'no-answer', reason: 'no answer' });
    return this.#wire.giveUp()
      ? [...rejected, ...this.#abandon('the rest of an answer is missing')]
      : [...rejected, this.#silence(this.#timing.silenceMs, true, now)];
  }

  /** Sends what is due, if the line may be used. */
  #advance(now: number): LineAction[] {
    if (this.#job === undefined || this.#state.kind === 'waiting') return [];
    if (now >= this.#job.deadline) {
      const reason =
        this.#state.kind === 'quiet' && now < this.#state.until
          ? 'the line did not fall silent in time'
          : 'the time was used up before the request could be sent';
      return this.#reject({ code: 'timeout', reason });
    }
    if (this.#state.kind === 'closed' || now < this.#state.until) return [];
    const { read, deadline } = this.#job;
    const before = this.#late.before(read, now, this.#job.others);
    if (before === 'nothing') return [this.#send(read, deadline, now)];
    if (before === 'time' || !this.#mayClearAgain()) {
      return this.#reject({ code: 'timeout', reason: 'late answers could not be cleared from the line' });
    }
    this.#job.clearing += 1;
    this.counters.clearing += 1;
    return [this.#send(before, deadline, now)];
  }

  #send(read: RegisterRead, deadline: number, now: number): LineAction {
    const bytes = this.#wire.request(read);
    this.#late.sent(read, now);
    this.#lastUnit = read.unit;
    this.counters.sent += 1;
    return this.#ask(bytes, read, deadline, now);
  }

  #ask(bytes: Uint8Array, read: RegisterRead, deadline: number, now: number): LineAction {
    const { byteMs, responseMs } = this.#timing;
    const until = Math.min(now + responseMs + (bytes.length + answerLength(read)) * byteMs, deadline);
    this.#state = { kind: 'waiting', read, until, deadline };
    return { kind: 'send', bytes };
  }

  /** False for a read that only clears the line. */
  #isOwn(read: RegisterRead): boolean {
    return read === this.#job?.read;
  }

  /** Behind a read that clears the line the same meter comes again. */
  #gapAfter(read: RegisterRead): number {
    const pauseMs = this.#isOwn(read) ? 0 : (this.#job?.pauseMs ?? 0);
    return Math.max(this.#timing.gapMs, pauseMs);
  }

  #mayClearAgain(): boolean {
    return this.#job !== undefined && this.#job.clearing < MAX_CLEARING;
  }

  #mayBeSent(now: number): boolean {
    return this.#job !== undefined && this.#late.before(this.#job.read, now) === 'nothing';
  }

  #silence(span: number, faulty: boolean, now: number): LineAction {
    this.#state = { kind: 'quiet', until: now + span, span, faulty };
    return { kind: 'need-silence', until: now + span };
  }

  #reject(rejection: Rejection): LineAction[] {
    if (this.#job === undefined) return [];
    this.#job = undefined;
    return [{ kind: 'reject', ...rejection }];
  }

  #abandon(reason: string): LineAction[] {
    this.#state = { kind: 'closed' };
    this.#wire.reset();
    return [{ kind: 'abandon', reason }];
  }
}
