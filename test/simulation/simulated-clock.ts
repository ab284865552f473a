import type { Clock } from 'meterseal/internal/host/clock';
import type { Life } from './life.js';
import type { Timeline } from './timeline.js';

const START = Date.UTC(2026, 0, 1);

/** The wall clock of one machine: it can be set while it runs, which the monotonic one does not notice. */
export class WallClock {
  readonly #timeline: Timeline;
  /** Milliseconds by which it is wrong. */
  offset = 0;
  isSynchronised = true;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  now(): number {
    return START + this.#timeline.now + this.offset;
  }
}

/** Time as one process on a machine sees it. */
export function clockOf(timeline: Timeline, wall: WallClock, life: Life): Clock {
  return {
    now: () => wall.now(),
    monotonic: () => timeline.now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const aborted = (): void => {
          planned.off = true;
          resolve();
        };
        const planned = timeline.after(ms, () =>
          life.deliver(() => {
            signal?.removeEventListener('abort', aborted);
            resolve();
          }),
        );
        signal?.addEventListener('abort', aborted, { once: true });
      }),
  };
}
