import { createHash, timingSafeEqual } from 'node:crypto';
import type { ErrorCode } from '@meterseal/protocol';
import { fromUtf8, isMetersealError, MAX_BODY_BYTES, MetersealError } from '@meterseal/protocol';
import type { Receiver } from './receiver.js';

/** What is asked over interface 2, by anybody. */
export type Interface2Request = {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  /** The header `Content-Type`. */
  readonly type: string | undefined;
  /** The header `Authorization`. */
  readonly authorization: string | undefined;
  /**
   * @param most bytes of the longest body that is read
   * @throws MetersealError `too-large`, `unreachable`
   */
  body(most: number): Promise<Uint8Array>;
};

export type Interface2Answer = { readonly status: number; readonly body?: unknown };

export type Interface2Options = {
  /** What `Authorization: Bearer` must say. */
  readonly token?: string;
  /** Told of failures inside, which the peer only learns the code of. */
  readonly onError?: (error: unknown) => void;
};

const MAX_OPENINGS_BYTES = 1_048_576;
/** Deliveries that are read or stored at once: each may hold a body of the largest size in memory. */
const MAX_DELIVERIES = 8;

/** The calls of interface 2 apart from the server; docs/formats.md has them. */
export class Interface2 {
  readonly #receiver: Receiver;
  readonly #options: Interface2Options;
  #deliveries = 0;

  constructor(receiver: Receiver, options: Interface2Options = {}) {
    this.#receiver = receiver;
    this.#options = options;
  }

  /** Answers whatever is asked; never throws. */
  async answer(request: Interface2Request): Promise<Interface2Answer> {
    try {
      return await this.#serve(request);
    } catch (error) {
      return errorAnswer(error, this.#options.onError);
    }
  }

  async #serve(request: Interface2Request): Promise<Interface2Answer> {
    const receiver = this.#receiver;
    const { token } = this.#options;
    if (token !== undefined && !isAuthorised(request, token)) {
      throw new MetersealError('unauthorised', "couldn't serve request: no token, or not the right one");
    }
    const { url } = request;
    const question = url.indexOf('?');
    const path = question < 0 ? url : url.slice(0, question);
    const query = question < 0 ? '' : url.slice(question + 1);
    switch (`${request.method} ${path}`) {
      case 'POST /v1/openings': {
        const body = await bodyOf(request, query, 'application/json', MAX_OPENINGS_BYTES);
        await receiver.openings(parseJson(body));
        return { status: 204 };
      }
      case 'POST /v1/records': {
        if (this.#deliveries >= MAX_DELIVERIES) {
          throw new MetersealError('rate-limited', "couldn't take delivery: too many are under way");
        }
        this.#deliveries++;
        try {
          const body = await bodyOf(request, query, 'application/octet-stream', MAX_BODY_BYTES);
          return { status: 200, body: await receiver.records(body) };
        } finally {
          this.#deliveries--;
        }
      }
      case 'POST /v1/gaps': {
        const body = await bodyOf(request, query, 'application/octet-stream', MAX_OPENINGS_BYTES);
        return { status: 200, body: await receiver.gaps(body) };
      }
      case 'GET /v1/state':
        return { status: 200, body: await receiver.state(meterOf(query)) };
      default:
        throw new MetersealError('not-found', "couldn't find resource: no such path or method");
    }
  }
}

/** Hashes are compared: they have one length, and a comparison in constant time needs that. */
function isAuthorised({ authorization = '' }: Interface2Request, token: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(authorization), hash(`Bearer ${token}`));
}

function bodyOf(request: Interface2Request, query: string, type: string, most: number): Promise<Uint8Array> {
  const given = request.type?.split(';')[0]?.trim().toLowerCase();
  if (query !== '' || given !== type) {
    throw new MetersealError('bad-request', `couldn't read request: ${type} without a query is taken here`);
  }
  return request.body(most);
}

function meterOf(query: string): string {
  const parameters = new URLSearchParams(query);
  const meter = parameters.get('meter');
  if (meter === null || parameters.size !== 1) {
    throw new MetersealError(
      'bad-request',
      "couldn't read request: one meter must be named, and nothing else",
    );
  }
  return meter;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(body, 'bad-message'));
  } catch (cause) {
    throw new MetersealError('bad-message', "couldn't read body: not JSON", { cause });
  }
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  'bad-request': 400,
  'bad-message': 400,
  'bad-record': 400,
  'bad-key': 400,
  unauthorised: 401,
  'statement-refused': 403,
  'not-found': 404,
  'unknown-meter': 404,
  'opening-conflict': 409,
  'delivery-gap': 409,
  conflict: 409,
  'too-large': 413,
  'rate-limited': 429,
  // The peer broke off: nobody is there to read this.
  unreachable: 400,
  'commit-failed': 503,
  'disk-full': 503,
  stopped: 503,
};

function errorAnswer(error: unknown, onError: Interface2Options['onError']): Interface2Answer {
  const known = isMetersealError(error) ? error : undefined;
  const status = known === undefined ? 500 : (STATUS[known.code] ?? 500);
  const code = known?.code ?? 'internal';
  if (status < 500) return { status, body: { code, message: known!.message, hint: known!.hint ?? '' } };
  try {
    onError?.(error);
  } catch {
    // Whoever is told must not keep the peer from its answer.
  }
  const hint = 'The cause is in the log of the collector.';
  return { status, body: { code, message: `couldn't serve request: ${code}`, hint } };
}
