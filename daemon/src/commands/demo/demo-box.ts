import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MetersealError } from '@meterseal/protocol';
import { stringify } from 'yaml';
import type { RawBus, RawConfig } from '../../config/config.js';
import { writeFileAtomically } from '../../host/private-file.js';
import type { StateFolder } from '../../host/state-folder.js';
import { makePrivateFolder, prepareStateFolder, stateFolder } from '../../host/state-folder.js';
import { lockState } from '../../host/state-lock.js';
import type { ComparisonReport } from '../collector/control.js';
import { askComparison } from '../collector/control.js';
import { addToRoster } from '../roster.js';
import type { BoxStatus } from '../status.js';
import { askStatus } from '../status.js';
import { Child } from './child.js';

type DemoMeter = {
  readonly id: string;
  readonly unit: number;
  readonly profile: string;
  readonly holder: string;
};

const SERIAL_METERS: readonly DemoMeter[] = [
  { id: 'DEMO-0001', unit: 1, profile: 'eastron/sdm630', holder: 'Bakery' },
  { id: 'DEMO-0002', unit: 2, profile: 'eastron/sdm120', holder: 'Flat 3' },
];
const TCP_METERS: readonly DemoMeter[] = [
  { id: 'DEMO-0003', unit: 1, profile: 'eastron/sdm630', holder: 'Workshop' },
];
export const DEMO_METERS = [...SERIAL_METERS, ...TCP_METERS];

const SITE = { operator: 'meterseal.example', box: 'demo' };
export const PLATFORM_ID = `${SITE.operator}/meterseal/${SITE.box}`;
const READY_MS = 20_000;

export const MAIN = fileURLToPath(new URL('../../../bin/meterseal.js', import.meta.url));
const SIMULATOR = fileURLToPath(new URL('../../../../test/dist/simulator/main.js', import.meta.url));

export type DemoOptions = {
  readonly state: string;
  /** Between two polls of a meter. */
  readonly interval: string;
  readonly mostReadings?: number;
  /** Where the collector finds the comparison, if not at the control port's host. */
  readonly comparisonHost?: string;
  /** Changes the box's configuration before it is written. */
  readonly configure?: (config: RawConfig) => RawConfig;
};

/** The whole line on one machine: simulated meters, box and collector, each a process of its own. */
export class DemoBox {
  readonly state: StateFolder;
  readonly #options: DemoOptions;
  readonly #logs: string;
  readonly #simulators: Child[] = [];
  #box: Child | undefined;
  #collector: Child | undefined;
  #failure: MetersealError | undefined;
  #ports: { readonly control: number; readonly collector: number } | undefined;

  constructor(options: DemoOptions) {
    this.#options = options;
    this.state = stateFolder(options.state);
    this.#logs = join(this.state.root, 'logs');
  }

  /**
   * Removes what an earlier demo left; only a folder that a demo made.
   *
   * @throws MetersealError `misuse`; `state-in-use` while one runs
   */
  static async wipe(path: string): Promise<void> {
    const { root, config, lock } = stateFolder(path);
    if (!existsSync(root)) return;
    if (!existsSync(config) || !readFileSync(config, 'utf8').startsWith(CONFIG_HEAD)) {
      throw new MetersealError('misuse', `couldn't wipe ${root}: it was not made by the demo`, {
        hint: 'Name another folder with --state.',
      });
    }
    await checkUnused(lock);
    rmSync(root, { recursive: true });
  }

  /** Starts everything; resolves when every meter has been read, recorded and anchored once. */
  async start(): Promise<void> {
    await this.launch();
    await this.until('every meter has an anchored and acknowledged reading', ({ field }) =>
      field?.meters.every(({ anchoredTo, acknowledgedTo }) => anchoredTo > 0 && (acknowledgedTo[0] ?? 0) > 0),
    );
  }

  /** Starts everything; resolves when the collector can be reached, whatever the meters do. */
  async launch(): Promise<void> {
    await this.launchBox();
    await this.startCollector();
  }

  /**
   * Starts everything but the collector, whose folder and key are there then.
   *
   * @throws MetersealError `state-in-use` before anything is changed, `stopped` if a process ends
   */
  async launchBox(): Promise<void> {
    if (!existsSync(SIMULATOR)) {
      throw new MetersealError('file-missing', "couldn't start demo: the meter simulator is not here", {
        hint: 'The demo runs from a checkout: npm start.',
      });
    }
    prepareStateFolder(this.state);
    await checkUnused(this.state.lock);
    for (const folder of [this.#logs, this.state.collector]) makePrivateFolder(folder);
    const serial = await this.#startSimulator('serial', SERIAL_METERS);
    const tcp = await this.#startSimulator('tcp', TCP_METERS);
    this.#ports = { control: await freePort(), collector: await freePort() };
    this.#writeSecrets();
    await this.#once('collector key', ['collector', 'init', '--dir', this.state.collector]);
    this.#writeConfig(serial, tcp);
    this.startBox();
    await this.#awaitPolicy();
  }

  /** Ports on 127.0.0.1: of the gate's control port, and of the collector. */
  get ports(): { readonly control: number; readonly collector: number } {
    return this.#ports!;
  }

  /** @param mostReadings as of the options, which hold if it is not given */
  startBox(mostReadings = this.#options.mostReadings): void {
    const limit = mostReadings === undefined ? [] : ['--readings', String(mostReadings)];
    this.#box = this.#child('box', [MAIN, 'run', '--state', this.state.root, ...limit]);
  }

  async stopBox(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#box?.stop(signal);
    this.#box = undefined;
  }

  async startCollector(): Promise<void> {
    const { control, collector } = this.ports;
    const { comparisonHost } = this.#options;
    this.#collector = this.#child('collector', [
      ...[MAIN, 'collector', '--dir', this.state.collector, '--platform-id', PLATFORM_ID],
      ...['--policy', this.state.policy, '--control', `127.0.0.1:${control}`],
      ...['--listen', `127.0.0.1:${collector}`, '--token-file', this.tokenFile],
      ...(comparisonHost === undefined ? [] : ['--comparison-host', comparisonHost]),
    ]);
    await this.#collector.ready(READY_MS);
  }

  async stopCollector(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#collector?.stop(signal);
    this.#collector = undefined;
  }

  async compare(): Promise<ComparisonReport> {
    this.assertAlive();
    return askComparison(this.state.collector);
  }

  /** @throws MetersealError `stopped` if a process has ended without being asked to */
  assertAlive(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  status(): Promise<BoxStatus> {
    return askStatus(this.state.root);
  }

  /** Polls the box's status until it is as wanted. */
  async until(
    what: string,
    isSo: (status: BoxStatus) => boolean | undefined,
    timeoutMs = 40_000,
  ): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (isSo(await this.status()) !== true) {
      this.assertAlive();
      if (performance.now() > end) {
        throw new MetersealError(
          'timeout',
          `couldn't go on with the demo: not within ${timeoutMs} ms: ${what}`,
          {
            hint: `Logs: ${this.#logs}`,
          },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Has whatever is waited for fail with `stopped`, and nothing more be started; `stop` then ends what runs. */
  abandon(): void {
    this.fail(new MetersealError('stopped', "couldn't go on with the demo: it was asked to end"));
  }

  /** The same, with an error of something that belongs to the demo and that this does not start. */
  fail(error: MetersealError): void {
    this.#failure ??= error;
  }

  /** Ends every process that was started, the collector and the box before the meters. */
  async stop(): Promise<void> {
    await this.stopCollector();
    await this.stopBox();
    for (const simulator of this.#simulators.splice(0)) await simulator.stop();
  }

  /** Where the processes' logs are. */
  get logs(): string {
    return this.#logs;
  }

  /** Of what the field sends to the collector as bearer token. */
  get tokenFile(): string {
    return join(this.state.collector, 'token');
  }

  #child(name: string, args: readonly string[]): Child {
    this.assertAlive();
    return new Child(name, args, join(this.#logs, `${name}.log`), (error) => {
      this.#failure ??= error;
    });
  }

  async #startSimulator(kind: 'serial' | 'tcp', meters: readonly DemoMeter[]): Promise<string> {
    const units = meters.flatMap(({ unit, profile }) => ['--unit', `${unit}=${profile}`]);
    const where = kind === 'serial' ? ['--serial', '--seed', '1'] : ['--tcp', '127.0.0.1:0', '--seed', '2'];
    const child = this.#child(`meters-${kind}`, [
      SIMULATOR,
      ...where,
      ...units,
      '--epoch',
      this.#firstStart(),
    ]);
    this.#simulators.push(child);
    const ready = await child.ready<{ tcp?: { port: number }; serial?: { path: string } }>(READY_MS);
    return kind === 'serial'
      ? `rtu://${ready.serial!.path}?baud=9600&parity=none&stop=1`
      : `tcp://127.0.0.1:${ready.tcp!.port}`;
  }

  /** When this demo first started: the meters' counters go on from there, as real ones would. */
  #firstStart(): string {
    const file = join(this.state.root, 'first-start');
    if (!existsSync(file)) writeFileAtomically(file, `${Date.now()}\n`, 0o600);
    return readFileSync(file, 'utf8').trim();
  }

  /** The chain writes its policy at its first start. */
  async #awaitPolicy(): Promise<void> {
    await this.until('the chain has written its policy', () => existsSync(this.state.policy));
  }

  #writeSecrets(): void {
    if (!existsSync(this.tokenFile))
      writeFileAtomically(this.tokenFile, `${randomBytes(24).toString('base64url')}\n`, 0o600);
    for (const { id, holder } of DEMO_METERS) {
      const code = this.#codeFile(id);
      if (!existsSync(code)) addToRoster(this.state, { meter: id, holder: { name: holder } }, code);
    }
  }

  #codeFile(id: string): string {
    return join(this.state.root, `${id}.code`);
  }

  #writeConfig(serial: string, tcp: string): void {
    const bus = (address: string, meters: readonly DemoMeter[]): RawBus => ({
      address,
      meters: meters.map(({ id, unit, profile, holder }) => ({
        ...{ id, unit, profile, holder: { name: holder } },
        'code-file': this.#codeFile(id),
      })),
    });
    const { configure = (config) => config } = this.#options;
    const config: RawConfig = {
      site: SITE,
      field: { interval: this.#options.interval, buses: [bus(serial, SERIAL_METERS), bus(tcp, TCP_METERS)] },
      gate: { control: `127.0.0.1:${this.ports.control}` },
      collectors: [
        {
          url: `http://127.0.0.1:${this.ports.collector}`,
          'key-file': join(this.state.collector, 'collector.pub'),
          'token-file': this.tokenFile,
        },
      ],
    };
    writeFileAtomically(this.state.config, CONFIG_HEAD + stringify(configure(config)), 0o600);
  }

  async #once(name: string, args: readonly string[]): Promise<void> {
    let failure: MetersealError | undefined;
    const child = new Child(name, [MAIN, ...args], join(this.#logs, 'collector.log'), (error) => {
      failure = error;
    });
    await child.ready<unknown>(READY_MS).catch((error: unknown) => {
      throw failure ?? error;
    });
    await child.stop();
  }
}

const CONFIG_HEAD = '# Written by meterseal demo at each start.\n';

/** The box takes the lock itself; what would be written before it does belongs to whoever has it. */
async function checkUnused(lock: string): Promise<void> {
  await (await lockState(lock))();
}

/** A port of the loopback interface that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
