import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { javascriptEngine as engine } from '@meterseal/native';
import type { SwitchState } from '@meterseal/protocol';
import { parsePolicy } from '@meterseal/protocol';
import { askComparison } from 'meterseal/internal/commands/collector/control';
import type { BoxStatus } from 'meterseal/internal/commands/status';
import { askStatus } from 'meterseal/internal/commands/status';
import type { RawConfig } from 'meterseal/internal/config/config';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import t from 'tap';
import { stringify } from 'yaml';
import { meterseal } from '../command-line.js';
import { until } from '../daemon/gate/until.js';
import type { RelaySimulator } from '../simulator/start-relay.js';
import { startRelaySimulator } from '../simulator/start-relay.js';
import { ChainCopy } from './chain-copy.js';
import type { Frame } from './two-networks.js';
import { cannotHaveNetworks, TwoNetworks } from './two-networks.js';

/*
 * The second table of docs/isolation.md, held against what a capture saw arrive at both ends of the line over
 * twenty windows, with somebody there who hammers at it all the time.
 */

const WINDOWS = 20;
const PORT = 7412;
const BIN = fileURLToPath(new URL('../../../daemon/bin/meterseal.js', import.meta.url));
const HAMMER = fileURLToPath(new URL('./wire-hammer.js', import.meta.url));
const PROFILE = 'waveshare/modbus-rtu-relay-d-8ch';
const SITE = { operator: 'meterseal.example', box: 'wire' };
const LONG_MS = 60_000;
t.setTimeout(300_000);

type Row = Record<SwitchState, string>;
type Grade = 'G0' | 'G2';

/** What may pass on the wire, by grade and state, as the page says. */
function tableOf(page: string): Record<Grade, Row> {
  const section = page.split('\n## ').find((part) => part.startsWith('On the wire')) ?? '';
  const rows = [
    ...section.matchAll(/^\| (isolated|connecting|connected|isolating|fault) \| ([^|]+) \| ([^|]+) \|$/gm),
  ];
  const column = (n: number): Row => Object.fromEntries(rows.map((row) => [row[1]!, row[n]!])) as Row;
  return { G0: column(2), G2: column(3) };
}

const table = tableOf(readFileSync(new URL('../../../docs/isolation.md', import.meta.url), 'utf8'));

/** What each word of the table lets pass. */
const LETS_PASS: Record<string, (frame: Frame) => boolean> = {
  nothing: () => false,
  // A request to connect, and the reset that answers it.
  refusals: ({ isTcp, bytes, arrivesAt, isReset }) =>
    !isTcp || (bytes === 0 && (arrivesAt === 'box' || isReset)),
  'no data': ({ isTcp, bytes, arrivesAt }) => !isTcp || bytes === 0 || arrivesAt === 'box',
  'the comparison': ({ isTcp, from, to }) => !isTcp || from === PORT || to === PORT,
};

t.test('the table has a word that is known for every state', async (t) => {
  for (const grade of ['G0', 'G2'] as const) {
    t.strictSame(Object.keys(table[grade]).sort(), [
      'connected',
      'connecting',
      'fault',
      'isolated',
      'isolating',
    ]);
    for (const word of Object.values(table[grade])) t.ok(Object.hasOwn(LETS_PASS, word), word);
  }
});

type HammerEvent = { readonly event: 'connect' | 'data' | 'close'; readonly time: number };

/** A box and a collector, each in a network of its own, with a hammer beside the collector. */
class Wire {
  readonly events: HammerEvent[] = [];
  readonly #networks: TwoNetworks;
  readonly #root: string;

  private constructor(networks: TwoNetworks, root: string) {
    this.#networks = networks;
    this.#root = root;
  }

  static async start(t: Test, networks: TwoNetworks, relay?: RelaySimulator): Promise<Wire> {
    const root = mkdtempSync(join(tmpdir(), 'ms-wire-'));
    t.teardown(() => rmSync(root, { recursive: true, force: true }));
    // Before its folder goes, and its relay.
    t.teardown(() => networks.stop());
    const wire = new Wire(networks, root);
    const { keyFile } = JSON.parse(
      (await meterseal('collector', 'init', '--dir', wire.collectorFolder)).stdout,
    ) as { keyFile: string };
    const state = stateFolder(wire.stateRoot);
    const config: RawConfig = {
      site: { ...SITE, log: 'error' },
      gate: {
        control: `${networks.controlHost}:7411`,
        'comparison-host': networks.comparisonHost,
        'comparison-port': PORT,
        'max-lease': '20s',
        ...(relay === undefined
          ? {}
          : {
              relay: {
                ...{ address: relay.address, profile: PROFILE, channel: 1, contact: { input: 1 } },
                ...{ pulse: '3s', timeout: '1s' },
              },
            }),
      },
      collectors: [{ url: 'http://127.0.0.1:9', 'key-file': keyFile }],
    };
    const configFile = join(root, 'meterseal.yaml');
    writeFileSync(configFile, stringify(config));
    networks.node(networks.box, BIN, 'run', '--state', wire.stateRoot, '--config', configFile);
    await wire.until('the box runs', ({ gate }) => gate?.state === 'isolated');
    const tokenFile = join(root, 'token');
    writeFileSync(tokenFile, 'no-reading-comes-with-it', { mode: 0o600 });
    const collector = networks.node(
      ...([networks.collector, BIN, 'collector', '--dir', wire.collectorFolder] as const),
      ...['--platform-id', `${SITE.operator}/meterseal/${SITE.box}`, '--policy', state.policy],
      ...['--control', `${networks.controlHost}:7411`, '--comparison-host', networks.comparisonHost],
      ...['--listen', '127.0.0.1:0', '--token-file', tokenFile],
    );
    const ended = once(collector, 'exit').then(() => Promise.reject(new Error('the collector ended')));
    await Promise.race([once(collector.stdout, 'data'), ended]);
    // It is asked to, at the end.
    ended.catch(() => {});
    return wire;
  }

  get stateRoot(): string {
    return join(this.#root, 'box');
  }

  get collectorFolder(): string {
    return join(this.#root, 'collector');
  }

  async status(): Promise<BoxStatus> {
    return askStatus(this.stateRoot);
  }

  until(what: string, isSo: (status: BoxStatus) => boolean): Promise<void> {
    return until(what, async () => isSo(await this.status()), LONG_MS);
  }

  hammer(): void {
    const { collector, comparisonHost } = this.#networks;
    const child = this.#networks.node(collector, HAMMER, comparisonHost, String(PORT));
    createInterface({ input: child.stdout }).on('line', (line) => this.events.push(JSON.parse(line)));
  }

  /** Waits until the hammer has tried in vain a few times. */
  async isHammered(): Promise<void> {
    const tries = this.#closes;
    await until('the hammer has tried', () => this.#closes >= tries + 4, LONG_MS);
  }

  get #closes(): number {
    return this.events.filter(({ event }) => event === 'close').length;
  }

  /** When the switch was in which state, as the chain has it. */
  async stamps(): Promise<{ state: SwitchState; from: number; to: number }[]> {
    await this.until('all is on the chain', ({ gate }) => gate?.transitions.uncommitted === 0);
    const { sockets, policy } = stateFolder(this.stateRoot);
    const chain = await ChainCopy.read(sockets.proof, parsePolicy(engine, readFileSync(policy, 'utf8')));
    const moves = chain.all('switch').map(({ entry }) => entry);
    const first = { state: 'isolated' as SwitchState, from: 0, to: moves[0]?.at ?? Number.POSITIVE_INFINITY };
    return [
      first,
      ...moves.map(({ to: state, at }, i) => ({
        ...{ state, from: at },
        to: moves[i + 1]?.at ?? Number.POSITIVE_INFINITY,
      })),
    ];
  }
}

/** Stamps are whole milliseconds, taken just before or after what they tell of. */
const STAMP_MS = 2;
/** What was under way when a window ended may still come out of the gate's and the kernel's hands. */
const UNDER_WAY_MS = 60;

type Stamp = { readonly state: SwitchState; readonly from: number; readonly to: number };

/** Frames that the row does not let pass in any state that the switch was in at that time. */
function breaches(frames: readonly Frame[], stamps: readonly Stamp[], row: Row): string[] {
  return frames
    .filter((frame) => {
      const then = stamps.filter(({ from, to, state }) => {
        const late = state === 'connected' ? UNDER_WAY_MS : STAMP_MS;
        return frame.time >= from - STAMP_MS && frame.time <= to + late;
      });
      return !then.some(({ state }) => LETS_PASS[row[state]]!(frame));
    })
    .map(({ time, arrivesAt, from, to, bytes, isTcp, isReset }) => {
      const then = stamps.filter(({ from, to }) => time >= from && time <= to).map(({ state }) => state);
      return `${time.toFixed(3)} ${then}: at the ${arrivesAt} ${isTcp ? `${from}→${to}` : 'not TCP'} ${bytes} bytes${isReset ? ' reset' : ''}`;
    });
}

const why = cannotHaveNetworks();

for (const grade of ['G0', 'G2'] as const) {
  t.test(`${grade}: over ${WINDOWS} windows the line carries what the table says`, async (t) => {
    if (why !== false) return void t.pass('a network of its own', { skip: why });
    const networks = TwoNetworks.make(t, grade === 'G2');
    const relay =
      grade === 'G0'
        ? undefined
        : await startRelaySimulator({ within: networks.within(networks.box), cuts: networks.device });
    if (relay !== undefined) t.teardown(() => relay.stop());
    const wire = await Wire.start(t, networks, relay);
    t.match((await wire.status()).gate, { state: 'isolated', assured: true, grade: grade === 'G0' ? 0 : 2 });
    const capture = await networks.capture();
    wire.hammer();
    await wire.isHammered();
    for (let window = 0; window < WINDOWS; window++) {
      const { outcome } = await askComparison(wire.collectorFolder);
      if (outcome !== 'judged') t.fail(`window ${window}: ${outcome}`);
      await wire.isHammered();
    }
    const frames = await capture.stop();
    const stamps = await wire.stamps();
    const connected = stamps.filter(({ state }) => state === 'connected');
    t.equal(connected.length, WINDOWS);

    t.strictSame(breaches(frames, stamps, table[grade]).slice(0, 20), [], `${frames.length} frames`);

    // The positive control: what may pass is seen in each single window, in both directions.
    for (const [i, { from, to }] of connected.entries()) {
      const seen = frames.filter(
        ({ time, bytes }) => bytes > 0 && time >= from - STAMP_MS && time <= to + STAMP_MS,
      );
      const ways = new Set(seen.map(({ arrivesAt }) => arrivesAt));
      if (ways.size !== 2) t.fail(`window ${i}: ${[...ways]}`);
    }
    if (grade === 'G0') {
      const refused = frames.filter(({ isReset, arrivesAt }) => isReset && arrivesAt === 'collector').length;
      t.ok(refused > WINDOWS, `${refused} refusals: the hammer does reach the box`);
    } else {
      const between = frames.filter(({ time }) =>
        stamps.some(
          ({ state, from, to }) => state === 'isolated' && time > from + STAMP_MS && time < to - STAMP_MS,
        ),
      );
      t.equal(between.length, 0, 'not one frame while isolated');
    }

    // Bytes written while isolated never arrive: what the hammer was answered, it was answered in a window.
    const answers = wire.events.filter(({ event }) => event === 'data');
    t.ok(answers.length > 0, `${answers.length} answers to the hammer in windows`);
    const outside = answers.filter(
      ({ time }) => !connected.some(({ from, to }) => time >= from - STAMP_MS && time <= to + UNDER_WAY_MS),
    );
    t.strictSame(outside, []);
    const tries = wire.events.filter(({ event }) => event === 'close').length;
    t.comment(
      `${grade}: ${frames.length} frames, ${tries} connections of the hammer, ${answers.length} answers`,
    );

    if (relay === undefined) return;
    // A contact that sticks is closed whatever the gate does: what is left is that nothing is served.
    await relay.setFaults({ stuck: 'closed' });
    await wire.until('it is in fault', ({ gate }) => gate?.state === 'fault' && !gate.assured);
    const faulty = await networks.capture();
    t.equal((await askComparison(wire.collectorFolder)).outcome, 'link-fault');
    await wire.isHammered();
    const refused = await faulty.stop();
    t.ok(refused.length > 0, 'the line is up');
    t.strictSame(
      refused.filter((frame) => !LETS_PASS[table[grade].fault]!(frame)),
      [],
    );
    await relay.setFaults({});
    await wire.until('it is isolated again', ({ gate }) => gate?.state === 'isolated');
  });
}
