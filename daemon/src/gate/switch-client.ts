import type { SwitchState, SwitchTransition } from '@meterseal/protocol';
import { MAX_INTEGER, MetersealError, SWITCH_STATES, transitionBytes } from '@meterseal/protocol';
import type { Exchange } from '../host/http-client.js';
import { HttpClient } from '../host/http-client.js';
import type { SpoolPlace } from './transition-spool.js';

/** The chain as the gate sees it. */
export interface SwitchChain {
  /** The last transition on the chain; number 0 and `isolated` if there is none. */
  last(): Promise<SpoolPlace>;
  /**
   * Has a transition committed. Asking the same again gives the same answer.
   *
   * @throws RefusedRequest with a status below 500 if the chain refused it for good; else MetersealError
   */
  commit(seq: number, transition: SwitchTransition): Promise<void>;
  /** Ends what is under way, with an error; whether a transition was committed is then not known. */
  close(): void;
}

const TIMEOUT_MS = 5_000;

/** The chain behind switch.sock. */
export class SwitchClient implements SwitchChain {
  readonly #client: HttpClient;

  /** @param way the path of switch.sock, or another way there */
  constructor(way: string | Exchange) {
    this.#client = new HttpClient(typeof way === 'string' ? { socketPath: way } : way, 'switch.sock');
  }

  async last(): Promise<SpoolPlace> {
    const answer = await this.#client.json<{ seq?: unknown; to?: unknown }>({
      method: 'GET',
      path: '/transitions/last',
      timeoutMs: TIMEOUT_MS,
    });
    const { seq, to } = answer;
    if (seq === 0) return { seq: 0, state: 'isolated' };
    const known = Number.isInteger(seq) && Number(seq) > 0 && Number(seq) <= MAX_INTEGER;
    if (!known || typeof to !== 'string' || !Object.hasOwn(SWITCH_STATES, to)) {
      throw new MetersealError('bad-message', "couldn't read last transition: not of the documented form");
    }
    return { seq: Number(seq), state: to as SwitchState };
  }

  async commit(seq: number, transition: SwitchTransition): Promise<void> {
    await this.#client.json<{ index: number }>({
      method: 'POST',
      path: `/transitions?seq=${seq}`,
      bytes: transitionBytes(transition),
      timeoutMs: TIMEOUT_MS,
    });
  }

  close(): void {
    this.#client.close();
  }
}
