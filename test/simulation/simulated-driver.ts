import type { ReadBack } from '@meterseal/protocol';
import type { SwitchDriver } from 'meterseal/internal/gate/driver';
import type { Life } from './life.js';
import { never } from './life.js';
import type { World } from './world.js';

/** How the driver takes its next task, or what its witnesses say the next time. */
export type DriverFault = 'connect-fails' | 'connect-hangs' | 'isolate-fails' | 'isolate-hangs' | 'lies';

const CONNECT_MS = 20;
const ISOLATE_MS = 20;

/** Listener and sockets of the driver `process`, as far as the gate's core can tell: connected or not. */
export class SimulatedDriver implements SwitchDriver {
  readonly name = 'process';
  readonly grade = 0;
  readonly #world: World;
  readonly #life: Life;
  #fault: DriverFault | undefined;
  #task = 0;
  /** Where the comparison is served; 0 while it is not. */
  port = 0;

  constructor(world: World, life: Life) {
    this.#world = world;
    this.#life = life;
    // A listener ends with its process.
    life.onEnd(() => this.#isolated());
  }

  fail(fault: DriverFault | undefined): void {
    this.#fault = fault;
  }

  async connect(): Promise<number> {
    const task = ++this.#task;
    this.#world.note('driver connects');
    await this.#pause(CONNECT_MS);
    if (this.#takes('connect-hangs')) return never();
    if (this.#takes('connect-fails')) throw new Error('the port is taken');
    if (task !== this.#task) throw new Error('isolated meanwhile');
    this.port = 20_000 + task;
    this.#world.model.connected();
    return this.port;
  }

  async isolate(): Promise<void> {
    this.#task++;
    this.#world.note('driver isolates');
    await this.#pause(ISOLATE_MS);
    if (this.#takes('isolate-hangs')) return never();
    if (this.#takes('isolate-fails')) throw new Error('the listener cannot be closed');
    this.#isolated();
  }

  async readBacks(): Promise<ReadBack[]> {
    const truth = this.port === 0 ? 'isolated' : 'connected';
    const says = this.#takes('lies') ? 'unknown' : truth;
    return [
      { witness: 'listener', says: truth },
      { witness: 'live-sockets', says },
    ];
  }

  #isolated(): void {
    if (this.port === 0) return;
    this.port = 0;
    this.#world.model.isolated();
  }

  #takes(fault: DriverFault): boolean {
    if (this.#fault !== fault) return false;
    this.#fault = undefined;
    this.#world.note(`driver: ${fault}`);
    return true;
  }

  #pause(most: number): Promise<void> {
    const { timeline, dice } = this.#world;
    return new Promise((resolve) => {
      timeline.after(dice.below(most), () => this.#life.deliver(resolve));
    });
  }
}
