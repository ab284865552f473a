import { once } from 'node:events';
import { javascriptEngine } from '@meterseal/native/javascript';
import type { Clock, ReceiverServerOptions, StoredReading } from '@meterseal/node-red-meterseal/core';
import { serveReceiver } from '@meterseal/node-red-meterseal/core';
import { isMetersealError, MetersealError } from '@meterseal/protocol';
import type { LinkController } from './link.js';
import type { ReadingMessage } from './reading-message.js';
import { readingMessage } from './reading-message.js';

export type CollectorSettings = Omit<ReceiverServerOptions, 'onError'>;

export type CollectorTools = {
  readonly link: LinkController;
  readonly clock: Clock;
  readonly send: (message: ReadingMessage) => void;
  readonly onListening: (port: number) => void;
  /** It could not listen, or what a peer sent could not be served; of that the peer only learns the code. */
  readonly onError: (error: unknown) => void;
};

const LEAST_TOKEN = 16;
/** Milliseconds until it tries again to listen. */
const RETRY_MS = 5_000;

/** Receives readings over interface 2, and tells of each one that is new as soon as it is stored. */
export class CollectorController {
  readonly #settings: CollectorSettings;
  readonly #tools: CollectorTools;
  readonly #closed = new AbortController();
  #running: Promise<void> | undefined;
  #received = 0;

  /**
   * @throws MetersealError `bad-config` without a token or client certificates: whoever reaches the port could open meters
   *   in the name of any, and on this machine too there are others
   */
  constructor(settings: CollectorSettings, tools: CollectorTools) {
    checkToken(settings);
    this.#settings = settings;
    this.#tools = tools;
  }

  /** Readings stored since it was started. */
  get received(): number {
    return this.#received;
  }

  /** Opens the collector and listens, as often as it takes, until it is closed. */
  start(): void {
    this.#running = this.#run();
  }

  /** Stops listening and ends every connection. */
  async close(): Promise<void> {
    this.#closed.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { link, clock, onError } = this.#tools;
    const { signal } = this.#closed;
    const leave = link.stored.join((readings) => this.#tell(readings));
    while (!signal.aborted) {
      try {
        await this.#serve();
      } catch (error) {
        if (signal.aborted) break;
        onError(error);
        if (isMetersealError(error, 'bad-config')) break;
        await clock.sleep(RETRY_MS, signal);
      }
    }
    leave();
  }

  /** Serves one collector, until it is closed or another one takes its place. */
  async #serve(): Promise<void> {
    const { link, onListening, onError } = this.#tools;
    const { receiver } = await link.collector();
    const server = await serveReceiver(receiver, {
      ...this.#settings,
      onError: (error) => {
        onError(error);
        link.failed(error);
      },
    });
    let leave = (): void => {};
    const replaced = new Promise<void>((resolve) => {
      leave = link.reopened.join(() => resolve());
    });
    try {
      if (!this.#closed.signal.aborted) {
        onListening(server.address.port);
        await Promise.race([replaced, once(this.#closed.signal, 'abort')]);
      }
    } finally {
      leave();
      await server.close();
    }
  }

  #tell(readings: readonly StoredReading[]): void {
    this.#received += readings.length;
    for (const { record, bytes, received, conflict } of readings) {
      this.#tools.send(readingMessage(record, received, conflict, javascriptEngine.sha256(bytes)));
    }
  }
}

function checkToken({ token, tls }: CollectorSettings): void {
  if (token !== undefined && token.length >= LEAST_TOKEN) return;
  if (token === undefined && tls?.requestCert === true && tls.rejectUnauthorized !== false) return;
  throw new MetersealError('bad-config', "couldn't listen: no token of at least 16 characters", {
    hint: 'Set a token, and give the same to the field (its token-file); or ask for client certificates.',
  });
}
