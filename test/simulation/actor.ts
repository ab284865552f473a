import { isMetersealError } from '@meterseal/protocol';
import type { Clock } from 'meterseal/internal/host/clock';
import { Life } from './life.js';
import type { WallClock } from './simulated-clock.js';
import { clockOf } from './simulated-clock.js';
import type { World } from './world.js';
import { Writes } from './writes.js';

/** What a process may end with by itself where its disk was made to fail. */
const OF_THE_DISK = ['file-unusable', 'commit-failed', 'disk-full'] as const;

/** One process of the line: started, killed, stopped and started again. */
export abstract class Actor {
  readonly name: string;
  readonly writes: Writes;
  protected readonly world: World;
  #life: Life | undefined;
  #restart: { off: boolean } | undefined;
  /** Time as its processes see it. */
  clockFor: (life: Life) => Clock;

  /** @param wall of its machine */
  constructor(name: string, world: World, wall: WallClock) {
    this.name = name;
    this.world = world;
    this.writes = new Writes(name, world, () => this.kill());
    this.clockFor = (life) => clockOf(world.timeline, wall, life);
  }

  get life(): Life | undefined {
    return this.#life;
  }

  start(): void {
    if (this.#restart !== undefined) this.#restart.off = true;
    this.#restart = undefined;
    if (this.#life !== undefined) return;
    const life = new Life();
    this.#life = life;
    this.world.note(`${this.name} starts`);
    this.boot(life).catch((error: unknown) => this.fail(life, error));
  }

  /** As `kill -9`; it is started again after a while. */
  kill(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.world.note(`${this.name} is killed`);
    this.#over(life);
  }

  /** Lets it end in an orderly way, as after SIGTERM, and starts it again. */
  stop(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.world.note(`${this.name} is stopped`);
    this.leave(life).then(
      () => this.#over(life),
      (error: unknown) => this.fail(life, error),
    );
  }

  /** It has ended by itself. */
  fail(life: Life, error: unknown): void {
    if (life.ended) return;
    this.world.note(`${this.name} fails: ${isMetersealError(error) ? error.code : String(error)}`);
    if (!isMetersealError(error, ...OF_THE_DISK) && (error as { code?: string }).code !== 'EIO') {
      this.world.model.problem(`${this.name} failed`, error);
    }
    this.#over(life);
  }

  #over(life: Life): void {
    if (this.#life !== life) return;
    this.#life = undefined;
    life.end();
    this.gone();
    const { timeline, dice } = this.world;
    this.#restart = timeline.after(this.world.isHealing ? 100 : dice.between(10, 15_000), () => this.start());
  }

  protected abstract boot(life: Life): Promise<void>;
  /** Forgets everything that was of the life that is over. */
  protected abstract gone(): void;
  protected abstract leave(life: Life): Promise<void>;
  /** True once it serves, and nothing is under way that must be over before the end. */
  abstract get isUp(): boolean;
}
