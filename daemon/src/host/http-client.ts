import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { ErrorCode } from '@meterseal/protocol';
import { fromUtf8, isMetersealError, MetersealError } from '@meterseal/protocol';

/** Where a service answers: a Unix socket of this machine, or an HTTP(S) address. */
export type Endpoint =
  | { readonly socketPath: string }
  | {
      /** Paths of requests are appended to the path that it has. */
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
  /** Bytes of the longest answer that is read. */
  readonly maxBytes?: number;
  /** Ends the exchange with `stopped`. */
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

/** True if a service is away or ill, so that the same request may well succeed later; false for what it refused. */
export function isOutage(error: unknown): boolean {
  if (error instanceof RefusedRequest) return error.status >= 500;
  return isMetersealError(error, 'unreachable', 'timeout', 'stopped');
}

const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;
/** Connections to one service: its peers bound theirs too. */
const MAX_CONNECTIONS = 8;
/** A connection that was not used for so long is closed here, well before a server closes it under a request. */
const IDLE_CONNECTION_MS = 5_000;
const CODE = /^[a-z][a-z-]{0,63}$/;

/** One service that is asked over HTTP: bounded in time and size, one error class for all that can go wrong. */
export class HttpClient {
  readonly #endpoint: Endpoint;
  readonly #name: string;
  readonly #base: URL | undefined;
  readonly #agent: HttpAgent | HttpsAgent;
  /** Ends one exchange each. */
  readonly #underWay = new Set<(error: MetersealError) => void>();
  #closed = false;

  /**
   * @param name how messages call the service: "couldn't reach <name>"
   * @throws MetersealError `file-missing` where the certificate authority's file cannot be read, `bad-config` for a URL
   *   that is none
   */
  constructor(endpoint: Endpoint, name: string) {
    this.#endpoint = endpoint;
    this.#name = name;
    this.#base = 'url' in endpoint ? parseUrl(endpoint.url, name) : undefined;
    // Over TCP a connection is kept, above all for TLS; a Unix socket is connected to in a tenth of a millisecond, and its
    // server has few connections to give.
    const limits = {
      keepAlive: this.#base !== undefined,
      maxSockets: MAX_CONNECTIONS,
      timeout: IDLE_CONNECTION_MS,
    };
    const caFile = 'url' in endpoint ? endpoint.caFile : undefined;
    this.#agent =
      this.#base?.protocol === 'https:'
        ? new HttpsAgent(caFile === undefined ? limits : { ...limits, ca: readCa(caFile, name) })
        : new HttpAgent(limits);
  }

  /**
   * @throws MetersealError `unreachable`, `timeout`, `too-large`, `stopped` after `close`, or as `RefusedRequest` what the
   *   service answered with any status but 2xx
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#exchange(request);
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
    this.#closed = true;
    for (const end of this.#underWay) end(this.#stopped());
    this.#agent.destroy();
  }

  #exchange(request: HttpRequest): Promise<HttpAnswer> {
    const { body, type } = contentOf(request);
    const headers: Record<string, string> = {};
    if (type !== undefined) headers['content-type'] = type;
    if (body !== undefined) headers['content-length'] = String(body.length);
    const options: RequestOptions = { method: request.method, headers, agent: this.#agent };
    if ('socketPath' in this.#endpoint) {
      options.socketPath = this.#endpoint.socketPath;
      options.path = request.path;
    } else {
      const { hostname, port, pathname } = this.#base!;
      options.hostname = hostname.replace(/^\[|\]$/g, '');
      if (port !== '') options.port = port;
      options.path = pathname.replace(/\/$/, '') + request.path;
      if (this.#endpoint.token !== undefined) headers['authorization'] = `Bearer ${this.#endpoint.token}`;
    }
    const send = this.#base?.protocol === 'https:' ? httpsRequest : httpRequest;
    const { timeoutMs = DEFAULT_TIMEOUT_MS, maxBytes = DEFAULT_MAX_BYTES, signal } = request;
    return new Promise((resolve, reject) => {
      if (this.#closed || signal?.aborted) return reject(this.#stopped());
      const sent = send(options);
      // The request is destroyed with the reason for it; what its connection says afterwards is only the consequence.
      let reason: MetersealError | undefined;
      const end = (error: MetersealError): void => {
        reason ??= error;
        sent.destroy(reason);
        finish(() => reject(reason));
      };
      this.#underWay.add(end);
      const deadline = setTimeout(() => {
        const what = `no complete answer within ${timeoutMs} ms`;
        end(new MetersealError('timeout', `couldn't reach ${this.#name}: ${what}`));
      }, timeoutMs);
      const abort = (): void => end(this.#stopped());
      signal?.addEventListener('abort', abort);
      const finish = (settle: () => void): void => {
        clearTimeout(deadline);
        signal?.removeEventListener('abort', abort);
        this.#underWay.delete(end);
        settle();
      };
      sent.on('error', (cause) => end(asMetersealError(cause, this.#name)));
      sent.on('response', (response) => {
        collect(response, maxBytes, this.#name).then(
          (answer) => finish(() => resolve(answer)),
          (cause) => end(asMetersealError(cause, this.#name)),
        );
      });
      sent.end(body);
    });
  }

  #stopped(): MetersealError {
    return new MetersealError('stopped', `couldn't reach ${this.#name}: this process is stopping`);
  }
}

function parseUrl(text: string, name: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new MetersealError('bad-config', `couldn't use address of ${name}: ${JSON.stringify(text)}`, {
    hint: 'Write https://HOST:PORT.',
  });
}

function readCa(path: string, name: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const what = `couldn't read certificate authority of ${name}: ${path} cannot be opened`;
    throw new MetersealError('file-missing', what, { cause });
  }
}

function contentOf({ json, bytes, text }: HttpRequest): { body?: Buffer; type?: string } {
  if (json !== undefined) return { body: Buffer.from(JSON.stringify(json)), type: 'application/json' };
  if (bytes !== undefined) {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    return { body, type: 'application/octet-stream' };
  }
  if (text !== undefined) return { body: Buffer.from(text), type: 'text/plain; charset=utf-8' };
  return {};
}

async function collect(response: IncomingMessage, maxBytes: number, name: string): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new MetersealError('too-large', `couldn't read answer of ${name}: more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

function asMetersealError(cause: unknown, name: string): MetersealError {
  if (isMetersealError(cause)) return cause;
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : 'the connection failed';
  return new MetersealError('unreachable', `couldn't reach ${name}: ${reason}`, { cause });
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
