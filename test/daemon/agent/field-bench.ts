import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '@meterseal/protocol';
import { decodeEntry, decodeRecord, toHex } from '@meterseal/protocol';
import { checkField } from 'meterseal/internal/agent/check-field';
import type { EnrolledMeter, EnrolmentData, EnrolmentTools } from 'meterseal/internal/agent/enrolment';
import { enrol, enrolledMeter } from 'meterseal/internal/agent/enrolment';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { IdentityKeys } from 'meterseal/internal/agent/identity-keys';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { Recorder } from 'meterseal/internal/agent/recorder';
import type { StoredRecord } from 'meterseal/internal/agent/stored-record';
import { Submitter } from 'meterseal/internal/agent/submitter';
import type { ChainOptions } from 'meterseal/internal/chain/role';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import { entriesOf } from 'meterseal/internal/chain/tree';
import { createBox } from 'meterseal/internal/host/box';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import { makePrivateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import { engine, PLATFORM_ID, seededRandom, TestBox } from '../chain/test-box.js';
import { temporaryFolder } from '../host/temporary-folder.js';
import { LossyProxy } from './lossy-proxy.js';

export const HOLDER = { name: 'A. Holder', contract: 'C-1001' };

export type BenchOptions = {
  readonly sessionUse?: 'reused' | 'per-transmission';
  readonly chain?: Partial<ChainOptions>;
};

type LogLine = { readonly level: string; readonly msg: string } & Readonly<Record<string, unknown>>;

/** A field, without meters to read, before a real platform: the real chain role behind its real socket. */
export class FieldBench {
  readonly t: Test;
  readonly box: TestBox;
  readonly proxy: LossyProxy;
  readonly keys: IdentityKeys;
  readonly platform: PlatformClient;
  readonly folder: string;
  /** Everything that was logged. */
  readonly log: LogLine[] = [];
  readonly random = seededRandom('field');
  /** False while the numbers still have to be compared with a collector's. */
  mayAnchor: (number: number) => boolean = () => true;
  /** The lowest number whose void record has to reach a collector first. */
  undeliveredVoid: (number: number) => Promise<number | undefined> = async () => undefined;
  readonly logger = createLogger('debug', { write: (line) => this.log.push(JSON.parse(line) as LogLine) });
  store!: FieldStore;
  recorder!: Recorder;
  submitter!: Submitter;
  readonly #options: BenchOptions;
  readonly #meters = new Map<string, EnrolledMeter>();
  #readings = 0;

  private constructor(t: Test, box: TestBox, proxy: LossyProxy, options: BenchOptions) {
    this.t = t;
    this.box = box;
    this.proxy = proxy;
    this.#options = options;
    this.folder = temporaryFolder(t);
    makePrivateFolder(join(this.folder, 'keys'));
    this.keys = new IdentityKeys(join(this.folder, 'keys'), engine);
    const http = new HttpClient({ url: proxy.url }, 'the platform');
    this.platform = new PlatformClient(http);
    t.teardown(async () => {
      http.close();
      await this.#close();
    });
  }

  static async start(t: Test, options: BenchOptions = {}): Promise<FieldBench> {
    const box = await TestBox.start(t, options.chain);
    const proxy = await LossyProxy.start(t, () => ({ socketPath: box.state.sockets.platform }));
    const bench = new FieldBench(t, box, proxy, options);
    await bench.#open();
    return bench;
  }

  get database(): string {
    return join(this.folder, 'field.db');
  }

  get tools(): EnrolmentTools {
    const { platform, store, keys } = this;
    return { platform, store, keys, engine, box: createBox(this.random), platformId: PLATFORM_ID };
  }

  data(id: string, more: Partial<EnrolmentData> = {}): EnrolmentData {
    return { meter: id, holder: HOLDER, code: () => `code of ${id}`, keyOrigin: 'issued', ...more };
  }

  /** A meter that is on the roster, enrolled, and known to the submitter. */
  async meter(id: string): Promise<EnrolledMeter> {
    this.box.list(id, `code of ${id}`);
    return this.add(await enrol(this.data(id), this.tools));
  }

  add(meter: EnrolledMeter): EnrolledMeter {
    this.#meters.set(meter.meter.id, meter);
    this.submitter.add(meter);
    return meter;
  }

  /** Readings as they are made every cycle, each with values of its own. */
  async record({ meter }: EnrolledMeter, count = 1): Promise<StoredRecord[]> {
    const made: StoredRecord[] = [];
    for (let i = 0; i < count; i++) {
      const value = `${++this.#readings}.0`;
      const at = this.box.clock.now() + this.#readings;
      made.push(
        await this.recorder.record(
          meter.number,
          {
            meter: meter.id,
            profile: 'eastron/sdm630@0123456789abcdef',
            identity: 'none',
            clock: 'synchronised',
          },
          { startedAt: at - 40, endedAt: at, values: [{ obis: '1-0:1.8.0', unit: 'kWh', value }], raw: [] },
        ),
      );
    }
    return made;
  }

  /** Submits until there is nothing more to send at once. */
  async submitAll(): Promise<void> {
    for (let rounds = 0; await this.submitter.submit(); rounds++) {
      if (rounds === 60) throw new Error('there is always more to submit');
    }
  }

  /** The process ends and begins anew. */
  async restart(): Promise<void> {
    await this.#close();
    await this.#open();
    for (const [id, { meter }] of this.#meters) {
      const known = await this.store.findMeter(id);
      if (known?.state === 'enrolled') this.add(enrolledMeter({ ...meter, ...known }, this.tools));
    }
  }

  /** A copy of field.db as it is now. */
  async backUp(): Promise<string> {
    const copy = join(this.folder, `field-${this.#readings}.db`);
    await this.#close();
    copyFileSync(this.database, copy);
    await this.restart();
    return copy;
  }

  /** The process ends, its database is put back to a copy, and it begins anew. */
  async putBack(copy: string): Promise<void> {
    await this.#close();
    for (const ending of ['-wal', '-shm']) rmSync(this.database + ending, { force: true });
    copyFileSync(copy, this.database);
    await this.restart();
  }

  /**
   * A copy of the chain as it is now, its published checkpoint included.
   *
   * @returns what puts the chain back to it, while the field runs on
   */
  async copyChain(): Promise<() => Promise<void>> {
    const { chainDatabase, checkpoint } = this.box.state;
    await this.box.stop();
    for (const path of [chainDatabase, checkpoint]) copyFileSync(path, `${path}.copy`);
    await this.box.start();
    return async () => {
      await this.box.stop();
      for (const ending of ['-wal', '-shm']) rmSync(chainDatabase + ending, { force: true });
      for (const path of [chainDatabase, checkpoint]) copyFileSync(`${path}.copy`, path);
      await this.box.start();
    };
  }

  /** Everything that the chain holds, without block-closes. */
  async entries(): Promise<Entry[]> {
    const reader = await SqliteChainReader.open(this.box.state.chainDatabase);
    try {
      const entries = await entriesOf(reader, 0, this.box.role.status().size);
      return entries.map((bytes) => decodeEntry(bytes)).filter(({ type }) => type !== 'block-close');
    } finally {
      await reader.close();
    }
  }

  /** Reading hashes that the chain holds of a meter, in hex, by number. */
  async anchored({ ref }: EnrolledMeter): Promise<Map<number, string>> {
    const entries = (await this.entries()).filter(
      (entry) => entry.type === 'reading' && entry.subject === ref.subject,
    );
    return new Map(entries.map((entry) => [entry.seq, entry.type === 'reading' ? toHex(entry.hash) : '']));
  }

  /** Bodies of the events of one kind on the chain. */
  async events(kind: string): Promise<object[]> {
    return (await this.entries()).flatMap((entry) =>
      entry.type === 'event' && entry.event.kind === kind ? [entry.event] : [],
    );
  }

  /** The values of the readings that field.db holds of a meter, by number; `void` and why where there is none. */
  async held({ meter }: EnrolledMeter): Promise<Record<number, string>> {
    const records = await this.store.allRecords(meter.number, { seq: 0, version: 0 }, 10_000);
    const text = ({ bytes }: StoredRecord): string => {
      const record = decodeRecord(bytes);
      return record.void === undefined ? record.values[0]!.value! : `void ${record.void.reason}`;
    };
    return Object.fromEntries(records.map((record) => [record.seq, text(record)]));
  }

  /** What `meterseal fsck` finds in field.db. */
  async findings(): Promise<readonly string[]> {
    return (await checkField(this.database, engine)).findings;
  }

  async #open(): Promise<void> {
    this.store = await FieldStore.open(this.database);
    this.recorder = new Recorder(this.store, engine, this.random, 'meterseal/test 0123456789abcdef');
    this.submitter = new Submitter({
      platform: this.platform,
      store: this.store,
      recorder: this.recorder,
      engine,
      clock: this.box.clock,
      log: this.logger,
      platformId: PLATFORM_ID,
      sessionUse: this.#options.sessionUse ?? 'reused',
      mayAnchor: (number) => this.mayAnchor(number),
      undeliveredVoid: (number) => this.undeliveredVoid(number),
    });
  }

  async #close(): Promise<void> {
    this.submitter.close();
    await this.store.close();
  }
}
