import type { ErrorCode } from '@meterseal/protocol';
import { fromUtf8, isMetersealError, MetersealError } from '@meterseal/protocol';
import type { Endpoint, Exchange, HttpAnswer, HttpRequest } from './http-exchange.js';
import { HttpExchange } from './http-exchange.js';

export type { Endpoint, Exchange, HttpAnswer, HttpRequest } from './http-exchange.js';

/** What a service refused, with its own code; `status` tells a refusal (4xx) from a failure (5xx). */
export class RefusedRequest extends MetersealError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string, hint: string) {
    super(code, message, hint === '' ? {} : { hint });
    this.status = status;
  }
}

/** True if a service is away or ill, so that the same request may well succeed later; false for what it refused. */
export function isOutage(error: unknown): boolean {
  if (error instanceof RefusedRequest) return error.status >= 500;
  return isMetersealError(error, 'unreachable', 'timeout', 'stopped');
}

const CODE = /^[a-z][a-z-]{0,63}$/;

/** One service that is asked over HTTP, with one error class for all that can go wrong. */
export class HttpClient {
  readonly #exchange: Exchange;
  readonly #name: string;

  /**
   * @param way where the service answers, or how requests get there
   * @param name how messages call the service: "couldn't reach <name>"
   * @throws MetersealError `file-missing` where the certificate authority's file cannot be read, `bad-config` for a URL
   *   that is none
   */
  constructor(way: Endpoint | Exchange, name: string) {
    this.#exchange = 'exchange' in way ? way : new HttpExchange(way, name);
    this.#name = name;
  }

  /**
   * @throws MetersealError `unreachable`, `timeout`, `too-large`, `stopped` after `close`, or as `RefusedRequest` what the
   *   service answered with any status but 2xx
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#exchange.exchange(request);
    if (answer.status < 200 || answer.status > 299) throw refusalOf(answer, this.#name);
    return answer;
  }

  /**
   * Sends, and reads the answer as JSON. `T` is what the caller expects and not more: what an answer from outside the box
   * holds is for the caller to check.
   *
   * @throws MetersealError as `send`, and `bad-message` where the answer is not JSON
   */
  async json<T = unknown>(request: HttpRequest): Promise<T> {
    const { body } = await this.send(request);
    try {
      return JSON.parse(fromUtf8(body, 'bad-message')) as T;
    } catch (cause) {
      throw new MetersealError('bad-message', `couldn't read answer of ${this.#name}: not JSON`, { cause });
    }
  }

  /** Ends what is under way with `stopped`, and every connection. */
  close(): void {
    this.#exchange.close();
  }
}

function refusalOf({ status, body }: HttpAnswer, name: string): RefusedRequest {
  try {
    const refusal = JSON.parse(body.toString('utf8')) as Record<string, unknown> | null;
    const { code, message, hint = '' } = refusal ?? {};
    if (typeof code === 'string' && CODE.test(code) && typeof message === 'string') {
      const text = (value: string): string => value.slice(0, 500);
      return new RefusedRequest(
        status,
        code as ErrorCode,
        text(message),
        typeof hint === 'string' ? text(hint) : '',
      );
    }
  } catch {
    // An answer that is not ours: the status says all there is to say.
  }
  return new RefusedRequest(status, 'bad-request', `${name} answered with status ${status}`, '');
}
