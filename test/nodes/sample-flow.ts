import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto, toPkcs8Pem } from '@meterseal/native/javascript';
import {
  encodeDeliveryGroup,
  formatVerifierKey,
  RUNNING_HASH_START,
  readingHash,
  runningHash,
  utf8,
} from '@meterseal/protocol';
import { SampleChain } from '../collector/sample-chain.js';
import { collectorKey, PLATFORM_ID, SampleMeter } from '../collector/sample-meter.js';
import { SamplePlatform } from '../collector/sample-platform.js';
import type { Flow } from './running-node-red.js';
import { freePort, until } from './running-node-red.js';

export const TOKEN = 'a token that is long enough';

/** A platform on real sockets, and what a flow needs to be its collector: the sample key, config nodes, a field's part. */
export class SampleSite {
  readonly chain = new SampleChain();
  readonly meters = [new SampleMeter('EM-1', 1), new SampleMeter('EM-2', 2)] as const;
  readonly dir: string;
  readonly collectorPort: number;
  readonly platform: SamplePlatform;
  readonly #sessions = new Map<string, ReturnType<SampleChain['openSession']>>();
  readonly #delivered = new Map<string, Uint8Array[]>();
  /** By meter, over the first so many readings. */
  readonly #runningHashes = new Map<string, Uint8Array[]>();

  private constructor(platform: SamplePlatform, chain: SampleChain, dir: string, collectorPort: number) {
    this.platform = platform;
    this.chain = chain;
    this.dir = dir;
    this.collectorPort = collectorPort;
    for (const meter of this.meters) {
      chain.enrol(meter);
      this.#sessions.set(meter.id, chain.openSession(meter));
    }
    chain.close();
  }

  /** @param userDir of Node-RED; the collector's folder is in it */
  static async start(t: { teardown(end: () => Promise<void>): void }, userDir: string): Promise<SampleSite> {
    const dir = join(userDir, 'collector');
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, 'collector.key'), toPkcs8Pem(crypto.sha256(utf8('collector'))), { mode: 0o600 });
    const chain = new SampleChain();
    const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
    t.teardown(() => platform.stop());
    return new SampleSite(platform, chain, dir, await freePort());
  }

  get policy(): string {
    const { logs } = SampleChain.policyOf(this.chain);
    return `log ${formatVerifierKey(logs[0]!.key)}\nquorum none\n`;
  }

  /** The tab `flow`, and both config nodes: `platform` and `link`. */
  configNodes(changed: Readonly<Record<string, unknown>> = {}): Flow {
    return [
      { id: 'flow', type: 'tab', label: 'flow' },
      {
        id: 'platform',
        type: 'meterseal-platform',
        platformId: PLATFORM_ID,
        policyFrom: 'text',
        policy: this.policy,
      },
      {
        id: 'link',
        type: 'meterseal-link',
        platform: 'platform',
        dir: 'collector',
        controlHost: '127.0.0.1',
        controlPort: String(this.platform.port),
        maxWindow: '10',
        anchoringDelay: '3600',
        witness: true,
        ...changed,
      },
    ];
  }

  collectorNode(wires: readonly string[], changed: Readonly<Record<string, unknown>> = {}): Flow {
    return [
      {
        id: 'collector',
        type: 'meterseal-collector',
        z: 'flow',
        link: 'link',
        host: '127.0.0.1',
        port: String(this.collectorPort),
        quietAfter: '0',
        credentials: { token: TOKEN },
        wires: [wires],
        ...changed,
      },
    ];
  }

  async post(
    path: string,
    body: Uint8Array | unknown,
    token = TOKEN,
  ): Promise<{ status: number; text: string }> {
    const isBytes = body instanceof Uint8Array;
    const answer = await fetch(`http://127.0.0.1:${this.collectorPort}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': isBytes ? 'application/octet-stream' : 'application/json',
      },
      body: isBytes ? Buffer.from(body) : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    return { status: answer.status, text: await answer.text() };
  }

  /** Opens the meters, as soon as the collector listens. */
  async open(): Promise<void> {
    await until('the collector listens', () =>
      this.post('/v1/openings', []).then(
        () => true,
        () => false,
      ),
    );
    const { status, text } = await this.post(
      '/v1/openings',
      this.meters.map((meter) => meter.opening()),
    );
    if (status !== 204) throw new Error(`openings: ${status} ${text}`);
  }

  /** Every reading of a meter that was made so far. */
  sequenceOf(meter: SampleMeter): readonly Uint8Array[] {
    return this.#delivered.get(meter.id) ?? [];
  }

  /** The next `count` readings of a meter, on the chain and at the collector. */
  async give(meter: SampleMeter, count: number, { anchored = true } = {}): Promise<void> {
    const { status, text } = await this.deliver(meter, count, anchored);
    if (status !== 200) throw new Error(`records: ${status} ${text}`);
  }

  deliver(meter: SampleMeter, count: number, anchored = true): Promise<{ status: number; text: string }> {
    this.make(meter, count, anchored);
    return this.send(meter, this.sequenceOf(meter).length - count + 1);
  }

  /** The next `count` readings of a meter, not delivered yet. */
  make(meter: SampleMeter, count: number, anchored = true): void {
    const made = this.#delivered.get(meter.id) ?? [];
    this.#delivered.set(meter.id, made);
    const hashes = this.#runningHashes.get(meter.id) ?? [RUNNING_HASH_START];
    this.#runningHashes.set(meter.id, hashes);
    for (let i = 0; i < count; i++) {
      const record = meter.record(made.length + 1);
      hashes.push(runningHash(crypto, hashes.at(-1)!, readingHash(crypto, record)));
      made.push(record);
      if (anchored) this.chain.anchor(this.#sessions.get(meter.id)!, made.length, record);
    }
    if (anchored) this.chain.close();
  }

  /** Delivers readings that were made, `from` to `to`, the last one if not given. */
  send(
    meter: SampleMeter,
    from: number,
    to = this.sequenceOf(meter).length,
  ): Promise<{ status: number; text: string }> {
    const statement = meter.statement(1, [], { to, runningHash: this.#runningHashes.get(meter.id)![to]! });
    const records = this.sequenceOf(meter).slice(from - 1, to);
    return this.post('/v1/records', encodeDeliveryGroup(statement, records));
  }

  /** The highest number that the collector says it holds. */
  async heldTo(meter: SampleMeter): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.collectorPort}/v1/state?meter=${meter.id}`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    return ((await answer.json()) as { seq: number }).seq;
  }
}
