import type { ComparisonLink, GateLink } from '@meterseal/node-red-meterseal/core';
import type { LeaseRequest, LeaseResult } from '@meterseal/protocol';
import { ByteReader, decodeLeaseAnswer, MetersealError, readLeaseRequest } from '@meterseal/protocol';

/** What passes between this collector and the gate, told as it happens. */
export interface WindowObserver {
  asked(request: LeaseRequest): void;
  /** `undefined` where the gate gave no answer that makes sense. */
  answered(request: LeaseRequest, result: LeaseResult | undefined, port: number, granted: number): void;
}

/** Milliseconds that a gate has for a release when the link closes: the switch isolates by itself when the lease ends. */
const LAST_RELEASE_MS = 500;

/**
 * The gate as the collector's core reaches it, with two additions: somebody watches, and a window can be held. A held
 * window is a comparison that has its lease and waits before its first request, until it is let go or cut short.
 */
export class WindowGate implements GateLink {
  readonly #gate: GateLink;
  readonly #observer: WindowObserver;
  #hold: Hold | undefined;
  #open: Window | undefined;
  /** Ends the request that is under way. */
  #asking = new AbortController();
  #isEnding = false;

  constructor(gate: GateLink, observer: WindowObserver) {
    this.#gate = gate;
    this.#observer = observer;
  }

  /** The next window waits after it has connected. */
  holdNext(): Hold {
    this.#hold = new Hold();
    return this.#hold;
  }

  /** The next window does not wait, where it was to. */
  drop(hold: Hold): void {
    if (this.#hold === hold) this.#hold = undefined;
  }

  /** Ends the window that is open, if one is: its comparison fails, and releases. */
  cut(): void {
    this.#hold?.cut();
    this.#open?.close();
    this.#asking.abort();
    this.#asking = new AbortController();
  }

  /** As `cut`, for good: a window that is open is released if the gate answers at once, and no other is opened. */
  end(): void {
    this.#isEnding = true;
    this.cut();
  }

  async ask(request: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const asked = readLeaseRequest(new ByteReader(request, 'bad-message'));
    if (this.#isEnding && asked.action === 'connect') {
      throw new MetersealError('unreachable', "couldn't take lease: the link is being closed");
    }
    this.#observer.asked(asked);
    let answer: Uint8Array;
    try {
      answer = await this.#gate.ask(request, this.#until(signal));
    } catch (error) {
      this.#observer.answered(asked, undefined, 0, 0);
      throw error;
    }
    this.#tell(asked, answer);
    return answer;
  }

  comparison(port: number, signal: AbortSignal): ComparisonLink {
    const window = new Window(this.#gate.comparison(port, signal), this.#hold, signal);
    this.#hold = undefined;
    this.#open = window;
    return window;
  }

  #until(signal: AbortSignal): AbortSignal {
    const late = this.#isEnding ? [AbortSignal.timeout(LAST_RELEASE_MS)] : [];
    return AbortSignal.any([signal, this.#asking.signal, ...late]);
  }

  #tell(asked: LeaseRequest, bytes: Uint8Array): void {
    try {
      const { result, port, granted } = decodeLeaseAnswer(bytes);
      this.#observer.answered(asked, result, port, granted);
    } catch {
      // Nothing, or no answer of ours: what that means is for whoever asked.
      this.#observer.answered(asked, bytes.length === 0 ? 'refused' : undefined, 0, 0);
    }
  }
}

/** Keeps a window from its first request. */
export class Hold {
  readonly settled: Promise<boolean>;
  #settle: (goOn: boolean) => void = () => {};

  constructor() {
    this.settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  letGo(): void {
    this.#settle(true);
  }

  cut(): void {
    this.#settle(false);
  }
}

class Window implements ComparisonLink {
  readonly #link: ComparisonLink;
  readonly #hold: Hold | undefined;
  #cut = false;

  constructor(link: ComparisonLink, hold: Hold | undefined, signal: AbortSignal) {
    this.#link = link;
    this.#hold = hold;
    if (hold !== undefined) signal.addEventListener('abort', () => hold.cut(), { once: true });
  }

  async send(...request: Parameters<ComparisonLink['send']>): ReturnType<ComparisonLink['send']> {
    const goOn = this.#hold === undefined || (await this.#hold.settled);
    if (!goOn || this.#cut) throw new MetersealError('unreachable', "couldn't compare: the window was ended");
    return this.#link.send(...request);
  }

  close(): void {
    this.#cut = true;
    this.#hold?.cut();
    this.#link.close();
  }
}
