import type { ErrorCode } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { Exchange, HttpAnswer, HttpRequest } from 'meterseal/internal/host/http-client';
import type { Dice } from './dice.js';
import type { Life } from './life.js';
import { never } from './life.js';
import type { Timeline } from './timeline.js';
import type { Trace } from './trace.js';
import { markOf } from './trace.js';

/** What may happen to one message in so many, by kind; all zero on a good day. */
export type Weather = {
  /** The request never arrives, and the connection breaks. */
  readonly lost: number;
  /** It arrives, and the connection breaks before the answer does. */
  readonly unanswered: number;
  /** Request and answer take their time, so that others overtake them. */
  readonly late: number;
  /** A copy of it arrives once more, later. */
  readonly twice: number;
  /** Of those that are lost or unanswered: the connection does not break, nobody says anything. */
  readonly silent: number;
};

export const FAIR: Weather = { lost: 0, unanswered: 0, late: 0, twice: 0, silent: 0 };

export type WireServer<Request, Answer> = {
  readonly life: Life;
  /** Never rejects. */
  readonly handle: (request: Request) => Promise<Answer>;
};

export type WireTools = {
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly model: { readonly met: Set<string> };
};

const TIMEOUT_MS = 15_000;
/** The longest that a late message takes; some take longer than anybody waits. */
const LATE_MS = 4_000;
const VERY_LATE_MS = 70_000;

/** A way from processes to one service: requests, and the answers back. */
export class Wire<Request, Answer> {
  weather: Weather = FAIR;
  /** While it is cut nothing gets through: whoever asks is refused at once, or hears nothing. */
  cut: 'refused' | 'silent' | undefined;
  readonly name: string;
  readonly #tools: WireTools;
  readonly #server: () => WireServer<Request, Answer> | undefined;
  readonly #describe: (request: Request) => string;

  constructor(
    name: string,
    tools: WireTools,
    server: () => WireServer<Request, Answer> | undefined,
    describe: (request: Request) => string,
  ) {
    this.name = name;
    this.#tools = tools;
    this.#server = server;
    this.#describe = describe;
  }

  /**
   * @param signal ends the asking with `timeout`; what was asked for may happen nevertheless
   * @throws MetersealError `unreachable`, `timeout`
   */
  ask(client: Life, request: Request, timeoutMs: number, signal?: AbortSignal): Promise<Answer> {
    const { timeline, dice, trace, model } = this.#tools;
    const { weather } = this;
    if (client.ended) return never();
    return new Promise((resolve, reject) => {
      let isOpen = true;
      const settle = (how: () => void): void => {
        if (!isOpen) return;
        isOpen = false;
        timeout.off = true;
        signal?.removeEventListener('abort', stop);
        client.deliver(how);
      };
      const fail = (code: ErrorCode): void =>
        settle(() => reject(new MetersealError(code, `couldn't reach ${this.name}: ${code}`)));
      const stop = (): void => fail('timeout');
      const timeout = timeline.after(timeoutMs, () => fail('timeout'));
      signal?.addEventListener('abort', stop, { once: true });
      if (signal?.aborted) return stop();

      const what = this.#describe(request);
      const isLost = this.cut !== undefined || dice.chance(weather.lost);
      if (isLost) {
        trace.add(`${timeline.now} ${what} is lost`);
        model.met.add('lost');
        const isSilent = this.cut === undefined ? dice.chance(weather.silent) : this.cut === 'silent';
        if (!isSilent) timeline.after(1, () => fail('unreachable'));
        return;
      }
      const arrive = (isCopy: boolean): void => {
        const server = this.#server();
        if (isCopy) model.met.add('twice');
        trace.add(
          `${timeline.now} ${what}${isCopy ? ' again' : ''}${server === undefined ? ' finds nobody' : ''}`,
        );
        if (server === undefined) {
          if (!isCopy) fail('unreachable');
          return;
        }
        const forget = server.life.onEnd(() => {
          if (!isCopy) fail('unreachable');
        });
        server.life.deliver(() => {
          void server.handle(request).then((answer) => {
            forget();
            if (isCopy) return;
            if (dice.chance(weather.unanswered)) {
              trace.add(`${timeline.now} ${what} is not answered`);
              model.met.add('unanswered');
              if (!dice.chance(weather.silent)) fail('unreachable');
            } else this.#later(() => settle(() => resolve(answer)));
          });
        });
      };
      this.#later(() => arrive(false));
      if (dice.chance(weather.twice)) timeline.after(dice.between(1, VERY_LATE_MS), () => arrive(true));
    });
  }

  #later(run: () => void): void {
    const { timeline, dice } = this.#tools;
    if (dice.chance(this.weather.late)) {
      timeline.after(dice.between(1, dice.chance(0.1) ? VERY_LATE_MS : LATE_MS), run);
    } else run();
  }
}

/** An HTTP request as a service finds it: nothing in it is shared with whoever asks. */
export type WireRequest = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: Uint8Array | undefined;
  readonly json: unknown;
};

export type HttpWire = Wire<WireRequest, HttpAnswer>;

export function describeRequest(name: string): (request: WireRequest) => string {
  return ({ path, body }) => `${name} ${path} ${body === undefined ? '' : markOf(body)}`;
}

/** HTTP over a wire, for one process. */
export function exchangeOver(wire: HttpWire, client: Life): Exchange {
  const closing = new AbortController();
  return {
    async exchange({ method, path, json, bytes, text, timeoutMs = TIMEOUT_MS }: HttpRequest) {
      if (closing.signal.aborted) throw stopped();
      const body =
        json !== undefined
          ? Buffer.from(JSON.stringify(json))
          : text !== undefined
            ? Buffer.from(text)
            : bytes?.slice();
      const request = {
        method,
        path,
        body,
        json: json === undefined ? undefined : JSON.parse(body!.toString()),
      };
      try {
        return await wire.ask(client, request, timeoutMs, closing.signal);
      } catch (error) {
        throw closing.signal.aborted ? stopped() : error;
      }
    },
    close: () => closing.abort(),
  };
}

function stopped(): MetersealError {
  return new MetersealError('stopped', "couldn't reach service: this process is stopping");
}

export function httpAnswer(status: number, body?: unknown): HttpAnswer {
  return { status, body: Buffer.from(body === undefined ? '' : JSON.stringify(body)) };
}
