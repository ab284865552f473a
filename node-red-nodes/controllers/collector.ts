import { javascriptEngine } from '@meterseal/native/javascript';
import type {
  ReceiverServer,
  ReceiverServerOptions,
  StoredReading,
} from '@meterseal/node-red-meterseal/core';
import { serveReceiver } from '@meterseal/node-red-meterseal/core';
import { MetersealError } from '@meterseal/protocol';
import type { LinkController } from './link.js';
import type { ReadingMessage } from './reading-message.js';
import { readingMessage } from './reading-message.js';

export type CollectorSettings = Omit<ReceiverServerOptions, 'onError'>;

export type CollectorTools = {
  readonly link: LinkController;
  readonly send: (message: ReadingMessage) => void;
  /** Told of failures inside, which the peer only learns the code of. */
  readonly onError: (error: unknown) => void;
};

const LEAST_TOKEN = 16;

/** Receives readings over interface 2, and tells of each one that is new as soon as it is stored. */
export class CollectorController {
  readonly #settings: CollectorSettings;
  readonly #tools: CollectorTools;
  #server: Promise<ReceiverServer> | undefined;
  #leave: () => void = () => {};
  #received = 0;

  constructor(settings: CollectorSettings, tools: CollectorTools) {
    this.#settings = settings;
    this.#tools = tools;
  }

  /** Readings stored since it was started. */
  get received(): number {
    return this.#received;
  }

  /**
   * Opens the collector and listens. Resolves with the port.
   *
   * @throws MetersealError `bad-config` for an address that would be open to all, or without a token or client
   *   certificates; `address-in-use`, `unreachable`; as `LinkController.collector`
   */
  async start(): Promise<number> {
    this.#checkToken();
    this.#server = this.#serve();
    return (await this.#server).address.port;
  }

  /** Stops listening and ends every connection. */
  async close(): Promise<void> {
    this.#leave();
    await (await this.#server?.catch(() => undefined))?.close();
  }

  async #serve(): Promise<ReceiverServer> {
    const { link, onError } = this.#tools;
    const collector = await link.collector();
    this.#leave = link.stored.join((readings) => this.#tell(readings));
    try {
      return await serveReceiver(collector.receiver, { ...this.#settings, onError });
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  #tell(readings: readonly StoredReading[]): void {
    this.#received += readings.length;
    for (const { record, bytes, received, conflict } of readings) {
      this.#tools.send(readingMessage(record, received, conflict, javascriptEngine.sha256(bytes)));
    }
  }

  /** Whoever reaches the port could open meters in the name of any: on this machine too there are others. */
  #checkToken(): void {
    const { token, tls } = this.#settings;
    if (token !== undefined && token.length >= LEAST_TOKEN) return;
    if (token === undefined && tls?.requestCert === true && tls.rejectUnauthorized !== false) return;
    throw new MetersealError('bad-config', "couldn't listen: no token of at least 16 characters", {
      hint: 'Set a token, and give the same to the field (its token-file); or ask for client certificates.',
    });
  }
}
