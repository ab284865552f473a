import { readFileSync } from 'node:fs';
import type { IncomingMessage, RequestOptions } from 'node:http';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isMetersealError, MetersealError } from '@meterseal/protocol';

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

/** How a request gets to a service, and its answer back. What the answer says is no matter of the exchange. */
export interface Exchange {
  /**
   * @returns the answer, whatever its status
   * @throws MetersealError `unreachable`, `timeout`, `too-large`, `stopped` after `close`; whether the service has done what it
   *   was asked is then not known
   */
  exchange(request: HttpRequest): Promise<HttpAnswer>;
  /** Ends what is under way with `stopped`, and every connection. */
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 15_000;
const DEFAULT_MAX_BYTES = 4 * 1024 * 1024;
/** Connections to one service: its peers bound theirs too. */
const MAX_CONNECTIONS = 8;
/** A connection that was not used for so long is closed here, well before a server closes it under a request. */
const IDLE_CONNECTION_MS = 5_000;

/** One service over HTTP: bounded in time and size. */
export class HttpExchange implements Exchange {
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

  exchange(request: HttpRequest): Promise<HttpAnswer> {
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

  close(): void {
    this.#closed = true;
    for (const end of this.#underWay) end(this.#stopped());
    this.#agent.destroy();
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
    throw new MetersealError('file-missing', what, {
      hint: 'Check `ca-file` in the configuration, and that this user may read it.',
      cause,
    });
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
