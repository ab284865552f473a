import { FieldStore } from 'meterseal/internal/agent/field-store';
import type { MeterAgent } from 'meterseal/internal/agent/meter-agent';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { CollectorClient } from 'meterseal/internal/delivery/collector-client';
import { FieldCore } from 'meterseal/internal/field/core';
import type { Exchange } from 'meterseal/internal/host/http-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { Actor } from './actor.js';
import type { Life } from './life.js';
import { plainBox } from './plain-box.js';
import { seededEngine, seededRandom } from './seeded-engine.js';
import { exchangeOver } from './wire.js';
import type { SimulatedMeter } from './world.js';
import { HOLDER, PLATFORM_ID } from './world.js';

const PROFILE = 'eastron/sdm630@0123456789abcdef';

/** The role `field` without its buses: what polls would bring is handed to it. */
export class FieldActor extends Actor {
  readonly #engine = seededEngine();
  readonly #random = seededRandom('field');
  #running: { core: FieldCore; agents: Map<string, MeterAgent>; exchanges: Exchange[] } | undefined;

  get isUp(): boolean {
    return this.#running !== undefined;
  }

  /** Hands over one reading of a meter; nobody hears it while the field is down. */
  poll({ id }: SimulatedMeter, value: string): void {
    const { life, world } = this;
    if (this.#running === undefined || life === undefined) return;
    const { core, agents } = this.#running;
    const agent = agents.get(id)!;
    life.deliver(() => {
      const endedAt = world.boxClock.now();
      const values = [{ obis: '1-0:1.8.0', unit: 'kWh', value }];
      const raw = [{ fc: 4 as const, at: 72, words: '0000' }];
      core.record(agent, { startedAt: endedAt - 40, endedAt, values, raw }).then(
        (isRecorded) => {
          if (isRecorded && !life.ended) world.model.recorded(id, agent.last!);
        },
        (error: unknown) => this.fail(life, error),
      );
    });
  }

  protected async boot(life: Life): Promise<void> {
    const { world } = this;
    const { boxClock, boxDisk, log, options, wires } = world;
    const store = await FieldStore.open(boxDisk.fieldConnection(life, this.writes));
    const toPlatform = exchangeOver(wires.platform, life);
    const toCollector = exchangeOver(wires.delivery, life);
    const core = new FieldCore({
      store,
      keys: boxDisk.identityVault(life, this.writes, this.#engine),
      platform: new PlatformClient(new HttpClient(toPlatform, 'the platform')),
      engine: this.#engine,
      box: plainBox(this.#random),
      random: this.#random,
      clock: this.clockFor(life),
      log,
      platformId: PLATFORM_ID,
      software: 'meterseal/simulation 0123456789abcdef',
      synchronised: () => boxClock.isSynchronised,
      sessionUse: options.sessionUse,
    });
    void core.failed.then((error) => this.fail(life, error));
    const agents = new Map(
      world.meters.map(({ id }) => {
        const data = { meter: id, holder: HOLDER, code: () => `code of ${id}`, keyOrigin: 'issued' as const };
        return [id, core.addMeter(data, PROFILE)];
      }),
    );
    core.addCollector(
      world.collectorKey.publicKey,
      new CollectorClient(new HttpClient(toCollector, 'the collector')),
    );
    await core.start();
    if (!life.ended) this.#running = { core, agents, exchanges: [toPlatform, toCollector] };
  }

  protected gone(): void {
    this.#running = undefined;
  }

  protected async leave(): Promise<void> {
    if (this.#running === undefined) return;
    const { core, exchanges } = this.#running;
    const stopped = core.stop();
    for (const exchange of exchanges) exchange.close();
    await stopped;
  }
}
