import type {
  Collector,
  ComparisonAnswer,
  ComparisonResult,
  GateLink,
} from '@meterseal/node-red-meterseal/core';
import { openCollector } from '@meterseal/node-red-meterseal/core';
import { Interface2 } from '@meterseal/node-red-meterseal/internal/receiver/interface-2';
import type { RecordsAnswer } from '@meterseal/protocol';
import { isMetersealError, MetersealError } from '@meterseal/protocol';
import type { HttpAnswer } from 'meterseal/internal/host/http-client';
import { Actor } from './actor.js';
import type { Life } from './life.js';
import { engine, seededRandom } from './seeded-engine.js';
import type { WireRequest, WireServer } from './wire.js';
import { httpAnswer } from './wire.js';
import { PLATFORM_ID } from './world.js';

export const COLLECTOR_DIR = '/collector';
const CONTROL_TIMEOUT_MS = 10_000;
/** Nobody waits so long: the window's deadline ends every request. */
const COMPARISON_TIMEOUT_MS = 600_000;
/** The spool gets more than one segment in most runs. */
const SEGMENT_BYTES = 6_000;

/** The collector without its sockets. */
export class CollectorActor extends Actor {
  readonly #random = seededRandom('collector');
  #collector: Collector | undefined;
  #comparing = 0;
  server: WireServer<WireRequest, HttpAnswer> | undefined;

  get isUp(): boolean {
    return this.#collector !== undefined && this.#comparing === 0;
  }

  get collector(): Collector | undefined {
    return this.#collector;
  }

  /** Compares with the chain; the model hears of the result. Nothing happens while it is down or comparing already. */
  async compare(maxMs: number): Promise<ComparisonResult | undefined> {
    const { life, world } = this;
    const collector = this.#collector;
    if (life === undefined || collector === undefined || this.#comparing > 0) return undefined;
    this.#comparing++;
    world.note('collector compares');
    try {
      const result = await collector.compare({ maxMs });
      if (life.ended) return undefined;
      this.#comparing--;
      const { outcome, counts, readings, released } = result;
      world.note(
        `compared: ${outcome} ${JSON.stringify(counts)} of ${readings}, ${released} ${result.why ?? ''}`,
      );
      world.model.compared(result);
      return result;
    } catch (error) {
      this.fail(life, error);
      return undefined;
    }
  }

  protected async boot(life: Life): Promise<void> {
    const { collectorDisk, collectorKey, chain, model } = this.world;
    const collector = await openCollector({
      dir: COLLECTOR_DIR,
      crypto: engine,
      signer: collectorKey,
      clock: this.clockFor(life),
      random: this.#random,
      platformId: PLATFORM_ID,
      policy: chain.policy!,
      control: this.#gateLink(life),
      limits: { segmentBytes: SEGMENT_BYTES },
      storage: collectorDisk.storageFor(life),
    });
    if (life.ended) return;
    this.#collector = collector;
    const calls = new Interface2(collector.receiver, {
      onError: (error) => {
        if (!isMetersealError(error, 'commit-failed', 'disk-full', 'stopped'))
          model.problem('interface 2 threw', error);
      },
    });
    this.server = {
      life,
      handle: async (request) => {
        const { method, path, body, json } = request;
        const type = json === undefined ? 'application/octet-stream' : 'application/json';
        const answer = await calls.answer({
          method,
          url: path,
          type,
          authorization: undefined,
          body: async () => body ?? new Uint8Array(0),
        });
        if (answer.status === 200 && (path === '/v1/records' || path === '/v1/gaps')) {
          model.acknowledged(answer.body as RecordsAnswer);
        }
        if (answer.status >= 400) {
          this.world.note(`${path} is answered ${answer.status} ${JSON.stringify(answer.body)}`);
        }
        // It takes nothing more until it is opened again: whoever runs it starts it anew.
        const { failure } = collector.status();
        if (failure !== undefined) this.world.timeline.after(1, () => this.fail(life, failure));
        return httpAnswer(answer.status, answer.body);
      },
    };
  }

  protected gone(): void {
    this.#collector = undefined;
    this.#comparing = 0;
    this.server = undefined;
  }

  protected async leave(): Promise<void> {
    this.server = undefined;
    await this.#collector?.close();
  }

  #gateLink(life: Life): GateLink {
    const { wires } = this.world;
    return {
      ask: async (bytes, signal) => {
        const hangUp = new AbortController();
        const forget = life.onEnd(() => hangUp.abort());
        try {
          return await wires.control.ask(life, { bytes, gone: hangUp.signal }, CONTROL_TIMEOUT_MS, signal);
        } catch (error) {
          hangUp.abort();
          throw error;
        } finally {
          forget();
        }
      },
      comparison: (port, signal) => ({
        send: async (method, path, _most, body): Promise<ComparisonAnswer> => {
          const request = { method, path, body, json: undefined, port };
          const answer = await wires.comparison(port).ask(life, request, COMPARISON_TIMEOUT_MS, signal);
          if (answer !== undefined) return answer;
          throw new MetersealError('unreachable', "couldn't compare: the connection was reset");
        },
        close: () => {},
      }),
    };
  }
}
