import type { ReadBack, SwitchDriverName, SwitchGrade } from '@meterseal/protocol';
import type { SwitchDriver } from 'meterseal/internal/gate/driver';

/** Counts the tasks that a driver has under way, so that a test's clock can wait for them. */
export class ObservedDriver implements SwitchDriver {
  readonly name: SwitchDriverName;
  readonly grade: SwitchGrade;
  busy = 0;
  readonly #driver: SwitchDriver;

  constructor(driver: SwitchDriver) {
    this.#driver = driver;
    this.name = driver.name;
    this.grade = driver.grade;
  }

  connect(until: number): Promise<number> {
    return this.#observe(this.#driver.connect(until));
  }

  isolate(): Promise<void> {
    return this.#observe(this.#driver.isolate());
  }

  readBacks(): Promise<ReadBack[]> {
    return this.#observe(this.#driver.readBacks());
  }

  async #observe<T>(task: Promise<T>): Promise<T> {
    this.busy++;
    try {
      return await task;
    } finally {
      this.busy--;
    }
  }
}
