import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import { isSpoolSegment, readSpoolFrames } from '@meterseal/node-red-meterseal/core';
import type { Policy } from '@meterseal/protocol';
import { decodeRecord, parsePolicy } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import type { StoredRecord } from 'meterseal/internal/agent/stored-record';
import type { DemoOptions } from 'meterseal/internal/commands/demo/demo-box';
import { DEMO_METERS, DemoBox } from 'meterseal/internal/commands/demo/demo-box';
import type { BoxStatus } from 'meterseal/internal/commands/status';
import { HttpClient } from 'meterseal/internal/host/http-client';
import type { StateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import tap from 'tap';
import { ChainCopy } from './chain-copy.js';

/** IDs of the meters that every line has: two on a serial bus, one on TCP. */
export const METERS = DEMO_METERS.map(({ id }) => id);

/** For one condition, on a machine that is busy with other tests. */
const DEADLINE_MS = 60_000;
tap.setTimeout(4 * DEADLINE_MS);

export type LineOptions = Partial<Omit<DemoOptions, 'state'>>;

/** The whole line: meters, box and collector, each a process of its own. Ends with the test, and its folder with it. */
export class Line {
  readonly box: DemoBox;
  /** Interface 1, as any meter or attacker on this machine could speak it. */
  readonly platform: PlatformClient;
  readonly #connections: HttpClient[] = [];

  private constructor(t: Test, root: string, options: LineOptions) {
    this.box = new DemoBox({ state: join(root, 'box'), interval: '250ms', ...options });
    this.platform = new PlatformClient(
      this.#connect(new HttpClient({ socketPath: this.state.sockets.platform }, 'the platform')),
    );
    t.teardown(async () => {
      for (const http of this.#connections) http.close();
      await this.box.stop();
      if (!t.passing()) for (const line of this.#lastLogLines()) t.comment(line);
      rmSync(root, { recursive: true, force: true });
    });
  }

  /** Starts everything; the box has its sockets and the collector its port then, whatever the meters do. */
  static async launch(t: Test, options: LineOptions = {}): Promise<Line> {
    const line = new Line(t, mkdtempSync(join(tmpdir(), 'ms-line-')), options);
    await line.box.launch();
    await line.until('all three roles answer', ({ chain, field, gate }) => !!chain && !!field && !!gate);
    return line;
  }

  /** Starts everything, and waits until every reading that the meters are to give is anchored and acknowledged. */
  static async complete(t: Test, mostReadings: number, options: LineOptions = {}): Promise<Line> {
    const line = await Line.launch(t, { mostReadings, ...options });
    await line.settled(mostReadings);
    return line;
  }

  get state(): StateFolder {
    return this.box.state;
  }

  get policy(): Policy {
    return parsePolicy(engine, readFileSync(this.state.policy, 'utf8'));
  }

  /** Interface 2, with the token that the field uses, or another one, or none. */
  collector(token: string | undefined = readFileSync(this.box.tokenFile, 'utf8').trim()): HttpClient {
    const url = `http://127.0.0.1:${this.box.ports.collector}`;
    const http = new HttpClient(token === '' ? { url } : { url, token }, 'the collector');
    return this.#connect(http);
  }

  until(what: string, isSo: (status: BoxStatus) => boolean | undefined): Promise<void> {
    return this.box.until(what, isSo, DEADLINE_MS);
  }

  /** Waits until the demo's meters have at least so many readings, and all of them are anchored and acknowledged. */
  settled(readings: number): Promise<void> {
    return this.until('every reading is anchored and acknowledged', ({ field }) =>
      field?.meters
        .filter(({ id }) => METERS.includes(id))
        .every(
          ({ recordedTo, anchoredTo, acknowledgedTo }) =>
            recordedTo >= readings && anchoredTo === recordedTo && acknowledgedTo[0] === recordedTo,
        ),
    );
  }

  chain(): Promise<ChainCopy> {
    return ChainCopy.read(this.state.sockets.proof, this.policy);
  }

  /** The box's own memory, read as `prove` reads it. */
  async field<T>(read: (store: FieldStore) => Promise<T>): Promise<T> {
    const store = await FieldStore.open(this.state.fieldDatabase, { readonly: true });
    try {
      return await read(store);
    } finally {
      await store.close();
    }
  }

  /** The number by which the chain names a meter of the box. */
  async subjectOf(meter: string): Promise<number> {
    return (await this.field((store) => store.findMeter(meter)))!.subject!;
  }

  /** What the box recorded of a meter, in order. */
  records(meter: string): Promise<StoredRecord[]> {
    return this.field(async (store) => store.pending((await store.findMeter(meter))!.number, 0, 100_000));
  }

  /** What the collector's spool holds of a meter, in the order in which it stands there. */
  spooled(meter: string): Uint8Array[] {
    return spooledRecords(this.state.collector, meter);
  }

  #connect(http: HttpClient): HttpClient {
    this.#connections.push(http);
    return http;
  }

  #lastLogLines(): string[] {
    const folder = join(this.state.root, 'logs');
    return readdirSync(folder).flatMap((name) =>
      readFileSync(join(folder, name), 'utf8').trimEnd().split('\n').slice(-8),
    );
  }
}

/** Every file below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

/** What a collector's spool holds of a meter, in the order in which it stands there. */
export function spooledRecords(collectorFolder: string, meter: string): Uint8Array[] {
  const folder = join(collectorFolder, 'spool');
  return readdirSync(folder)
    .filter(isSpoolSegment)
    .sort()
    .flatMap((name) => readSpoolFrames(readFileSync(join(folder, name))))
    .map(({ record }) => record)
    .filter((record) => decodeRecord(record).meter === meter);
}
