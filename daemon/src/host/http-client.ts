import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ErrorCode } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';

/** Where a service answers: a Unix socket of this machine, or an HTTP(S) address. */
export type Endpoint =
  | { readonly socketPath: string }
  | {
      readonly url: string;
      /** Sent as `Authorization: Bearer`. */
      readonly token?: string;
      /** PEM file of the certificate authority that signed the server's certificate. */
      readonly caFile?: string;
    };

export type HttpAnswer = { readonly status: number; readonly body: Buffer };

export type HttpRequest = {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  readonly text?: string;
  /** Milliseconds for the whole exchange. */
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
};

/** What a service refused, with its own code; `status` tells a refusal (4xx) from a failure (5xx). */
export class RefusedRequest extends MetersealError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string, hint: string) {
    super(code, message, hint === '' ? {} : { hint });
    this.status = status;
  }
}

const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;

/** One service that is asked over HTTP: bounded in time and size, one error class for all that can go wrong. */
export class HttpClient {
  readonly #endpoint: Endpoint;
  readonly #name: string;
  readonly #ca: Buffer | undefined;

  /** @param name how messages call the service: "couldn't reach <name>" */
  constructor(endpoint: Endpoint, name: string) {
    this.#endpoint = endpoint;
    this.#name = name;
    this.#ca =
      'caFile' in endpoint && endpoint.caFile !== undefined ? readFileSync(endpoint.caFile) : undefined;
  }

  /**
   * @throws MetersealError `unreachable`, `timeout`, `too-large`, or what the service refused with as `RefusedRequest`
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#exchange(request);
    if (answer.status >= 400) throw refusalOf(answer, this.#name);
    return answer;
  }

  /** Sends, and reads the answer as JSON of the shape that the caller knows the service to give. */
  async json<T>(request: HttpRequest): Promise<T> {
    const { body } = await this.send(request);
    try {
      return JSON.parse(body.toString('utf8')) as T;
    } catch (cause) {
      throw new MetersealError('bad-message', `couldn't read answer of ${this.#name}: not JSON`, { cause });
    }
  }

  #exchange(request: HttpRequest): Promise<HttpAnswer> {
    const { body, type } = contentOf(request);
    const headers: Record<string, string> = {};
    if (type !== undefined) headers['content-type'] = type;
    if (body !== undefined) headers['content-length'] = String(body.length);
    const options: RequestOptions & { ca?: Buffer } = { method: request.method, headers, agent: false };
    if (request.signal !== undefined) options.signal = request.signal;
    let secure = false;
    if ('socketPath' in this.#endpoint) {
      options.socketPath = this.#endpoint.socketPath;
      options.path = request.path;
    } else {
      const url = new URL(request.path, this.#endpoint.url);
      secure = url.protocol === 'https:';
      options.hostname = url.hostname.replace(/^\[|\]$/g, '');
      if (url.port !== '') options.port = url.port;
      options.path = url.pathname + url.search;
      if (this.#endpoint.token !== undefined) headers['authorization'] = `Bearer ${this.#endpoint.token}`;
      if (this.#ca !== undefined) options.ca = this.#ca;
    }
    return new Promise((resolve, reject) => {
      const sent = (secure ? httpsRequest : httpRequest)(options);
      const timeoutMs = request.timeoutMs ?? DEFAULT_TIMEOUT_MS;
      const deadline = setTimeout(() => {
        sent.destroy(
          new MetersealError(
            'timeout',
            `couldn't reach ${this.#name}: no complete answer within ${timeoutMs} ms`,
          ),
        );
      }, timeoutMs);
      sent.once('error', (cause) => {
        clearTimeout(deadline);
        reject(cause instanceof MetersealError ? cause : unreachable(this.#name, cause));
      });
      sent.once('response', (response) => {
        collect(response, request.maxBytes ?? DEFAULT_MAX_BYTES, this.#name)
          .then(resolve, (error: unknown) => {
            sent.destroy();
            reject(error);
          })
          .finally(() => clearTimeout(deadline));
      });
      sent.end(body);
    });
  }
}

function contentOf(request: HttpRequest): { body?: Buffer; type?: string } {
  if (request.json !== undefined)
    return { body: Buffer.from(JSON.stringify(request.json)), type: 'application/json' };
  if (request.bytes !== undefined)
    return { body: Buffer.from(request.bytes), type: 'application/octet-stream' };
  if (request.text !== undefined)
    return { body: Buffer.from(request.text), type: 'text/plain; charset=utf-8' };
  return {};
}

async function collect(response: IncomingMessage, maxBytes: number, name: string): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of response) {
      length += (chunk as Buffer).length;
      if (length > maxBytes) {
        throw new MetersealError('too-large', `couldn't read answer of ${name}: more than ${maxBytes} bytes`);
      }
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw error instanceof MetersealError ? error : unreachable(name, error);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

function unreachable(name: string, cause: unknown): MetersealError {
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection failed';
  return new MetersealError('unreachable', `couldn't reach ${name}: ${reason}`, { cause });
}

function refusalOf(answer: HttpAnswer, name: string): RefusedRequest {
  try {
    const body = JSON.parse(answer.body.toString('utf8')) as {
      code: ErrorCode;
      message: string;
      hint: string;
    };
    if (typeof body.code === 'string' && typeof body.message === 'string') {
      return new RefusedRequest(
        answer.status,
        body.code,
        body.message.slice(0, 500),
        String(body.hint ?? ''),
      );
    }
  } catch {
    // An answer that is not ours: the status says all there is to say.
  }
  return new RefusedRequest(
    answer.status,
    'bad-request',
    `${name} answered with status ${answer.status}`,
    '',
  );
}
