import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { javascriptEngine as engine } from '@meterseal/native';
import type { LeaseAction } from '@meterseal/protocol';
import { encodeLeaseRequest, parsePolicy, signMessage, toBase64, toHex } from '@meterseal/protocol';
import { askStatus } from 'meterseal/internal/commands/status';
import type { GateStatus } from 'meterseal/internal/gate/role';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import t from 'tap';
import { PLAIN_NODE } from '../command-line.js';
import { exchange, isRefused } from '../daemon/gate/gate-box.js';
import { until } from '../daemon/gate/until.js';
import { temporaryFolder } from '../daemon/host/temporary-folder.js';
import { ChainCopy } from '../scenarios/chain-copy.js';
import { RunningCommand } from '../scenarios/running-command.js';

const HOLDER = fileURLToPath(new URL('./lease-holder.js', import.meta.url));
const MAX_LEASE_MS = 2_500;
const LISTENING = '0A';

/** TCP ports on which a process listens, as the kernel has it. */
function listeningPorts(pid: number): number[] {
  const own = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
  const lines = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8').trim().split('\n').slice(1),
  );
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === LISTENING && own.has(`socket:[${inode}]`))
    .map(([, local]) => Number.parseInt(local!.split(':')[1]!, 16));
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
}

/** A box without meters, and the key of its one collector. */
class Box {
  readonly #t: Test;
  readonly #root: string;
  readonly #key = engine.generateKey();
  #counter = 0;
  #process!: RunningCommand;

  private constructor(t: Test) {
    this.#t = t;
    this.#root = temporaryFolder(t);
    const keyFile = join(this.#root, 'key.pub');
    writeFileSync(keyFile, `${toBase64(this.#key.publicKey)}\n`);
    const gate = `{ control: '127.0.0.1:0', max-lease: ${MAX_LEASE_MS}ms }`;
    const collectors = `[{ url: 'http://127.0.0.1:9', key-file: ${keyFile} }]`;
    const config = `site: { operator: m.example, box: b }\ngate: ${gate}\ncollectors: ${collectors}\n`;
    writeFileSync(stateFolder(this.#root).config, config);
  }

  static async start(t: Test): Promise<Box> {
    const box = new Box(t);
    await box.#run();
    return box;
  }

  async restart(): Promise<void> {
    this.#process.signal('SIGTERM');
    await this.#process.end();
    await this.#run();
  }

  get ports(): number[] {
    return listeningPorts(this.#process.pid);
  }

  async gate(): Promise<GateStatus> {
    return (await askStatus(this.#root)).gate!;
  }

  isolated(): Promise<void> {
    return until('it is isolated', async () => (await this.gate()).state === 'isolated', 15_000);
  }

  request(action: LeaseAction, lease: Uint8Array): Uint8Array {
    const asked = { platformId: 'm.example/meterseal/b', collectorKey: this.#key.publicKey, lease };
    const wish = { counter: ++this.#counter, action, purpose: 'comparison', max: 60_000 } as const;
    return signMessage(this.#key, encodeLeaseRequest({ ...asked, ...wish }));
  }

  /** Transitions of a lease on the chain, once all are there, each with what its witnesses said. */
  async told(lease: Uint8Array): Promise<string[]> {
    await until('all is committed', async () => (await this.gate()).transitions.uncommitted === 0);
    const { sockets, policy } = stateFolder(this.#root);
    const chain = await ChainCopy.read(sockets.proof, parsePolicy(engine, readFileSync(policy, 'utf8')));
    return chain
      .all('switch')
      .filter(({ entry }) => toHex(entry.lease) === toHex(lease))
      .map(({ entry }) => [entry.to, ...entry.readBacks.map(({ says }) => says)].join(' '));
  }

  async #run(): Promise<void> {
    this.#process = new RunningCommand(this.#t, 'run', '--state', this.#root);
    await this.#process.shows(/"msg":"running"/);
  }
}

const WHOLE_WINDOW = [
  'connecting',
  'connected connected connected',
  'isolating',
  'isolated isolated isolated',
];

t.test('while isolated the process has no listener for comparisons', async (t) => {
  const box = await Box.start(t);
  const { controlPort } = await box.gate();
  t.strictSame(box.ports, [controlPort], 'before the first lease');
  const lease = new Uint8Array(16).fill(1);
  t.equal((await exchange(controlPort, box.request('connect', lease))).length, 23);
  t.equal(box.ports.length, 2, 'a positive control: while connected there is one more');
  const [comparison] = box.ports.filter((port) => port !== controlPort);
  t.notOk(await isRefused(comparison!));
  await exchange(controlPort, box.request('release', lease));
  t.strictSame(box.ports, [controlPort], 'after it');
  t.ok(await isRefused(comparison!));
  t.strictSame(await box.told(lease), WHOLE_WINDOW, 'each transition is on the chain, with its read-backs');
});

for (const [signal, what] of [
  ['SIGSTOP', 'hangs'],
  ['SIGKILL', 'is killed'],
] as const) {
  t.test(`a holder that ${what} is isolated at the lease's maximum`, async (t) => {
    const box = await Box.start(t);
    const { controlPort } = await box.gate();
    const lease = new Uint8Array(16).fill(2);
    const recorded = box.request('connect', lease);
    const [command, before] = PLAIN_NODE;
    const holder = spawn(command, [...before, HOLDER, String(controlPort), toHex(recorded)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => holder.kill('SIGKILL'));
    const started = performance.now();
    const [line] = (await once(holder.stdout, 'data')) as [Buffer];
    const { port, granted, answer } = JSON.parse(line.toString()) as {
      port: number;
      granted: number;
      answer: string;
    };
    t.equal(answer, 'HTTP/1.1 200 OK');
    t.ok(granted <= MAX_LEASE_MS, `granted ${granted} ms of 60,000`);
    holder.kill(signal);
    t.equal((await box.gate()).state, 'connected', 'until then it is connected');
    await box.isolated();
    const held = performance.now() - started;
    t.ok(held < MAX_LEASE_MS + 3_000, `isolated after ${held.toFixed(0)} ms`);
    t.ok(await isRefused(port));
    t.strictSame(box.ports, [controlPort]);
    t.strictSame(await box.told(lease), WHOLE_WINDOW);

    await t.test('its recorded request is good for nothing, not even after a restart', async (t) => {
      t.equal((await exchange(controlPort, recorded)).length, 0, 'the gate knows it');
      await box.restart();
      const { controlPort: again } = await box.gate();
      const answer = await exchange(again, recorded);
      t.equal(answer[0], 1, 'the chain refuses it');
      t.strictSame(box.ports, [again]);
      t.equal((await box.told(lease)).filter((one) => one.startsWith('connected')).length, 1);
    });
  });
}
