import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** What becomes of a request: lost before the peer sees it, or done by the peer and its answer lost. */
export type Loss = 'request' | 'answer';

type Fault = { readonly what: string; readonly loss: Loss; times: number };

/** Passes HTTP on between two real peers, and loses what a test wants lost. */
export class LossyProxy {
  /** `METHOD /path` of everything that was asked, in order. */
  readonly seen: string[] = [];
  /** While true nothing gets through: the peer is away. */
  isCut = false;
  readonly #faults: Fault[] = [];
  readonly #held: { readonly what: string; readonly arrived: () => void; readonly release: Promise<void> }[] =
    [];
  #port = 0;

  /** @param target where the peer listens now: it may change */
  static async start(
    t: Test,
    target: () => { readonly socketPath: string } | { readonly port: number },
  ): Promise<LossyProxy> {
    const proxy = new LossyProxy();
    const server = createServer((asked, answer) => proxy.#pass(asked, answer, target()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy.#port = (server.address() as AddressInfo).port;
    t.teardown(() => {
      server.closeAllConnections();
      server.close();
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The next `times` requests that begin with `what`, for example `POST /v1/readings`, suffer this loss. */
  lose(loss: Loss, what: string, times = 1): void {
    this.#faults.push({ what, loss, times });
  }

  /** Forgets all losses that did not happen yet. */
  heal(): void {
    this.#faults.length = 0;
  }

  /**
   * The next answer to what begins with `what` is held back.
   *
   * @returns `held` resolves once the peer has done it and the answer waits; `release` lets it through
   */
  hold(what: string): { held: Promise<void>; release: () => void } {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const held = new Promise<void>((arrived) => {
      this.#held.push({ what, arrived, release: released });
    });
    return { held, release };
  }

  /** How often was asked what begins with `what`. */
  count(what: string): number {
    return this.seen.filter((one) => one.startsWith(what)).length;
  }

  #pass(asked: IncomingMessage, answer: ServerResponse, target: object): void {
    const name = `${asked.method} ${asked.url}`;
    this.seen.push(name);
    const fault = this.#faults.find(({ what, times }) => times > 0 && name.startsWith(what));
    if (fault !== undefined) fault.times--;
    const at = this.#held.findIndex(({ what }) => name.startsWith(what));
    const hold = at < 0 ? undefined : this.#held.splice(at, 1)[0];
    asked.on('error', () => {});
    if (this.isCut || fault?.loss === 'request') {
      asked.socket.destroy();
      return;
    }
    const { method, url, headers } = asked;
    const passed = request({ host: '127.0.0.1', ...target, method, path: url, headers, agent: false });
    passed.on('error', () => asked.socket.destroy());
    passed.on('response', (response) => {
      response.on('error', () => asked.socket.destroy());
      if (fault !== undefined) {
        response.resume();
        response.on('end', () => asked.socket.destroy());
        return;
      }
      hold?.arrived();
      Promise.resolve(hold?.release).then(() => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
      });
    });
    asked.pipe(passed);
  }
}
