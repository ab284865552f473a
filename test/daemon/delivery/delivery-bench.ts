import { randomBytes } from 'node:crypto';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Collector, ComparisonResult, ReceiverServer } from '@meterseal/node-red-meterseal/core';
import { openCollector, serveReceiver, systemClock } from '@meterseal/node-red-meterseal/core';
import type { Signer } from '@meterseal/protocol';
import { fromBase64, toHex } from '@meterseal/protocol';
import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import { restartNumbers } from 'meterseal/internal/agent/restart-numbers';
import { CollectorClient } from 'meterseal/internal/delivery/collector-client';
import type { DelivererTools } from 'meterseal/internal/delivery/delivered-meter';
import { Deliverer } from 'meterseal/internal/delivery/deliverer';
import { startGate } from 'meterseal/internal/gate/role';
import { HttpClient } from 'meterseal/internal/host/http-client';
import type { Test } from 'tap';
import { FieldBench } from '../agent/field-bench.js';
import { LossyProxy } from '../agent/lossy-proxy.js';
import { collector as collectorKey, engine, PLATFORM_ID } from '../chain/test-box.js';
import { temporaryFolder } from '../host/temporary-folder.js';

const TOKEN = 'a token for this test';

/** A field before a real platform and a real collector, with a proxy on each way that can lose what passes. */
export class DeliveryBench {
  readonly field: FieldBench;
  readonly proxy: LossyProxy;
  readonly #folder: string;
  readonly #meters: EnrolledMeter[] = [];
  readonly #http: HttpClient;
  collector!: Collector;
  deliverer!: Deliverer;
  /** False while the numbers still have to be compared with the chain's. */
  mayDeliver: (number: number) => boolean = () => true;
  #server!: ReceiverServer;

  private constructor(t: Test, field: FieldBench, proxy: LossyProxy) {
    this.field = field;
    this.proxy = proxy;
    this.#folder = join(temporaryFolder(t), 'collector');
    this.#http = new HttpClient({ url: proxy.url, token: TOKEN }, 'the collector');
  }

  static async start(t: Test): Promise<DeliveryBench> {
    const field = await FieldBench.start(t);
    const made: DeliveryBench[] = [];
    const proxy = await LossyProxy.start(t, () => ({ port: made[0]!.#server.address.port }));
    const bench = new DeliveryBench(t, field, proxy);
    made.push(bench);
    await bench.#openCollector();
    bench.restart();
    t.teardown(async () => {
      bench.#http.close();
      await bench.#closeCollector();
    });
    return bench;
  }

  async meter(id: string): Promise<EnrolledMeter> {
    const meter = await this.field.meter(id);
    this.#meters.push(meter);
    this.#add(meter);
    return meter;
  }

  /** Interface 2, by way of the proxy. */
  client(): CollectorClient {
    return new CollectorClient(this.#http);
  }

  /** The delivering process begins anew; field.db may have been closed and opened meanwhile. */
  restart(change: Partial<DelivererTools> = {}): void {
    const { store, recorder, logger: log, box } = this.field;
    this.deliverer = new Deliverer({
      client: this.client(),
      outbox: store,
      crypto: engine,
      clock: box.clock,
      log,
      platformId: PLATFORM_ID,
      collectorKey: collectorKey.publicKey,
      mayDeliver: (number) => this.mayDeliver(number),
      restartNumbers: (number, seen) => restartNumbers(store, recorder, number, seen),
      ...change,
    });
    for (const meter of this.#meters) this.#add(meter);
  }

  /** Delivers until there is nothing more at once. */
  async deliverAll(): Promise<void> {
    for (let rounds = 0; await this.deliverer.deliver(); rounds++) {
      if (rounds === 60) throw new Error('there is always more to deliver');
    }
  }

  /** field.db is put back to a copy, and everything that uses it begins anew. */
  async putBackField(copy: string): Promise<void> {
    await this.field.putBack(copy);
    this.restart();
  }

  /**
   * A copy of everything that the collector has.
   *
   * @returns what puts it back to that
   */
  async copyCollector(): Promise<() => Promise<void>> {
    const copy = `${this.#folder}-copy`;
    await this.#closeCollector();
    rmSync(copy, { recursive: true, force: true });
    cpSync(this.#folder, copy, { recursive: true });
    await this.#openCollector();
    return async () => {
      await this.#closeCollector();
      rmSync(this.#folder, { recursive: true });
      cpSync(copy, this.#folder, { recursive: true });
      await this.#openCollector();
    };
  }

  /** The collector loses everything. */
  async emptyCollector(): Promise<void> {
    await this.#closeCollector();
    rmSync(this.#folder, { recursive: true });
    await this.#openCollector();
  }

  /** What the collector says it holds of a meter. */
  async height({ meter }: EnrolledMeter): Promise<{ first: number; seq: number }> {
    const { first, seq } = await this.collector.receiver.state(meter.id);
    return { first, seq };
  }

  /** Both sides say the same of a meter: numbers and running hash. */
  async agrees({ meter }: EnrolledMeter): Promise<boolean> {
    const theirs = await this.collector.receiver.state(meter.id);
    const ours = await this.field.store.delivery(meter.number, collectorKey.publicKey);
    return (
      theirs.first === ours.first &&
      theirs.seq === ours.ackedTo &&
      toHex(fromBase64(theirs.runningHash)) === toHex(ours.runningHash)
    );
  }

  /** One comparison of everything that the collector holds with the chain, through a real gate. */
  async compare(): Promise<ComparisonResult> {
    const { box, logger: log } = this.field;
    const gate = await startGate({
      stateDir: box.state.gate,
      platformId: PLATFORM_ID,
      control: { host: '127.0.0.1', port: 0 },
      comparison: { port: 0 },
      maxLeaseMs: 60_000,
      collectorKeys: [collectorKey.publicKey],
      crypto: engine,
      sockets: box.state.sockets,
      clock: systemClock,
      log,
    });
    try {
      await this.#closeCollector();
      await this.#openCollector(gate.status().controlPort);
      return await this.collector.compare();
    } finally {
      await gate.stop();
    }
  }

  #add({ meter: { number, id, salt }, ref, identity }: EnrolledMeter): void {
    this.deliverer.add({ number, id, salt: salt!, ref, identity: identity satisfies Signer });
  }

  async #openCollector(control = 1): Promise<void> {
    this.collector = await openCollector({
      dir: this.#folder,
      crypto: engine,
      signer: collectorKey,
      clock: systemClock,
      random: (length) => new Uint8Array(randomBytes(length)),
      platformId: PLATFORM_ID,
      policy: this.field.box.policy,
      control: { host: '127.0.0.1', port: control },
    });
    this.#server = await serveReceiver(this.collector.receiver, { host: '127.0.0.1', port: 0, token: TOKEN });
  }

  async #closeCollector(): Promise<void> {
    await this.#server.close();
    await this.collector.close();
  }
}
