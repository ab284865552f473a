import type { Clock } from '@meterseal/node-red-meterseal/core';
import type { LeaseRequest, LeaseResult, SwitchState } from '@meterseal/protocol';
import { toHex } from '@meterseal/protocol';
import type { PortSays, PortWitness } from './port-witness.js';
import type { WindowObserver } from './window-gate.js';

/** The isolation switch as this side sees it. */
export type SwitchView = {
  readonly state: SwitchState;
  /** Milliseconds since 1970. */
  readonly since: number;
  /** The lease that connects, or was the last to; in hex. */
  readonly lease: string | undefined;
  /** While connected: when the switch isolates by itself, milliseconds since 1970. */
  readonly until: number | undefined;
  /** What a connect to the comparison port showed after the last window; undefined where nobody looked. */
  readonly witness: PortSays | undefined;
  /** Why it did not connect, or what is at fault. */
  readonly why: SwitchTrouble | undefined;
};

export type SwitchTrouble =
  /** The gate refused, or closed without an answer. */
  | 'refused'
  /** The gate has another window open. */
  | 'busy'
  /** Nobody answers at the control port. */
  | 'unreachable'
  /** The gate itself says that its switch is at fault. */
  | 'gate-fault'
  /** The gate says isolated, and the comparison port accepts a connect. */
  | 'port-accepts';

/**
 * Follows the switch by what is asked of the gate, what it answers, and a witness of its own: after a window the
 * comparison port must not accept any more.
 */
export class SwitchWatch implements WindowObserver {
  readonly #host: string;
  readonly #clock: Clock;
  readonly #witness: PortWitness | undefined;
  readonly #tell: (view: SwitchView) => void;
  #view: SwitchView;
  #port = 0;
  #expires = 0;
  #turn = 0;

  /**
   * @param host where the comparison is served
   * @param witness undefined where nobody is to look
   */
  constructor(
    host: string,
    clock: Clock,
    witness: PortWitness | undefined,
    tell: (view: SwitchView) => void,
  ) {
    this.#host = host;
    this.#clock = clock;
    this.#witness = witness;
    this.#tell = tell;
    this.#view = {
      state: 'isolated',
      since: clock.now(),
      lease: undefined,
      until: undefined,
      witness: undefined,
      why: undefined,
    };
  }

  get view(): SwitchView {
    return this.#view;
  }

  asked({ action, lease }: LeaseRequest): void {
    this.#turn++;
    if (action === 'connect') this.#move('connecting', { lease: toHex(lease), witness: undefined });
    else this.#move('isolating', {});
  }

  answered({ action }: LeaseRequest, result: LeaseResult | undefined, port: number, granted: number): void {
    if (action === 'release') {
      if (result === 'fault') this.#move('fault', { why: 'gate-fault' });
      else void this.#look(result === undefined ? this.#expires - this.#clock.monotonic() : 0);
      return;
    }
    if (result === 'connected') {
      this.#port = port;
      this.#expires = this.#clock.monotonic() + granted;
      this.#move('connected', { until: this.#clock.now() + granted });
    } else if (result === 'fault') this.#move('fault', { why: 'gate-fault' });
    else this.#move('isolated', { why: result ?? 'unreachable' });
  }

  /** Looks at the port after `delay`, unless something else happens first. */
  async #look(delay: number): Promise<void> {
    const turn = this.#turn;
    if (delay > 0) await this.#clock.sleep(delay);
    const asks = this.#witness !== undefined && this.#port !== 0;
    const witness = asks ? await this.#witness!(this.#host, this.#port) : undefined;
    if (turn !== this.#turn) return;
    if (witness === 'accepted') this.#move('fault', { why: 'port-accepts', witness });
    else this.#move('isolated', { witness });
  }

  #move(state: SwitchState, news: { -readonly [K in keyof SwitchView]?: SwitchView[K] }): void {
    const { lease, witness } = this.#view;
    this.#view = {
      lease,
      witness,
      until: undefined,
      why: undefined,
      ...news,
      state,
      since: this.#clock.now(),
    };
    this.#tell(this.#view);
  }
}
