import { readFileSync, writeFileSync } from 'node:fs';
import type { NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import type { LeaseRequest } from '@meterseal/protocol';
import { decodeLeaseAnswer, encodeLeaseRequest, signMessage, toBase64 } from '@meterseal/protocol';
import { askStatus } from 'meterseal/internal/commands/status';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import type { Test } from 'tap';
import t from 'tap';
import { meterseal } from '../command-line.js';
import { exchange } from '../daemon/gate/gate-box.js';
import { temporaryFolder } from '../daemon/host/temporary-folder.js';
import { RunningCommand } from '../scenarios/running-command.js';
import type { Ended } from './malformed-request.js';
import { MalformedRequests } from './malformed-request.js';

const REQUESTS = 160;
const AT_ONCE = 8;
const MOST_GROWTH_BYTES = 250_000_000;
const TOKEN = 'a-token-for-this-test';
const HASH = '0'.repeat(64);

const PLATFORM = [
  'enrolments',
  'enrolments/confirm',
  'challenges',
  'authentications',
  'sessions',
  'readings',
];
const COMPARISON = [
  '/checkpoint',
  '/entries?from=0&to=1',
  '/consistency',
  '/tile/0/x',
  '/verdicts',
  '/cosignatures',
];
const COLLECTOR = ['/v1/openings', '/v1/records', '/v1/gaps', '/v1/state?meter=EM-1', '/v1/state'];

function memoryOf(pid: number): number {
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kilobytes) * 1_024;
}

/** Sends all of an interface's malformed requests, some at once. */
async function assault(requests: MalformedRequests, to: NetConnectOpts): Promise<Ended[]> {
  const ended: Ended[] = [];
  const one = async (): Promise<void> => {
    while (ended.length < REQUESTS) ended.push(await requests.send(to));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return ended;
}

/** Each answer is a success of something harmless, or an error in our form; nothing failed inside. */
function assertRefused(t: Test, ended: readonly Ended[], least: number): void {
  const counts = new Map<string | number, number>();
  for (const { sent, how, body } of ended) {
    counts.set(how, (counts.get(how) ?? 0) + 1);
    if (how === 'closed' || how === 'waiting' || how < 300) continue;
    const isOurs =
      body === '' || /^\{"code":"[a-z-]+","message":"couldn't [^\n]*","hint":"[^\n]*"\}$/.test(body);
    if (how >= 500 || !isOurs) t.fail(`${sent}: ${how} ${body.slice(0, 200)}`);
  }
  const told = [...counts].map(([how, n]) => `${n} × ${how}`).join(', ');
  t.ok(ended.filter(({ how }) => typeof how === 'number' && how >= 400).length >= least, told);
}

t.test('whatever comes over whichever interface is refused, in bounded memory', async (t) => {
  const folder = temporaryFolder(t);
  const state = stateFolder(join(folder, 'box'));
  const key = engine.generateKey();
  writeFileSync(join(folder, 'key.pub'), `${toBase64(key.publicKey)}\n`);
  const gate = "{ control: '127.0.0.1:0', max-lease: 5m }";
  const collectors = `[{ url: 'http://127.0.0.1:9', key-file: ${join(folder, 'key.pub')} }]`;
  const config = join(folder, 'meterseal.yaml');
  writeFileSync(config, `site: { operator: m.example, box: b }\ngate: ${gate}\ncollectors: ${collectors}\n`);
  const box = new RunningCommand(t, 'run', '--state', state.root, '--config', config);
  await box.shows(/"msg":"running"/);
  const dir = join(folder, 'collector');
  writeFileSync(join(folder, 'token'), TOKEN, { mode: 0o600 });
  const options = ['--dir', dir, '--platform-id', 'm.example/meterseal/b', '--policy', state.policy];
  const addresses = ['--control', '127.0.0.1:1', '--listen', '127.0.0.1:0'];
  const token = ['--token-file', join(folder, 'token')];
  const collector = new RunningCommand(t, 'collector', ...options, ...addresses, ...token);
  const [, port] = await collector.shows(/\{"port":(\d+)\}/);
  const { controlPort } = (await askStatus(state.root)).gate!;
  const wish: LeaseRequest = {
    ...{
      platformId: 'm.example/meterseal/b',
      collectorKey: key.publicKey,
      lease: new Uint8Array(16).fill(1),
    },
    ...{ counter: 1, action: 'connect', purpose: 'comparison', max: 300_000 },
  };
  const memory = { box: memoryOf(box.pid), collector: memoryOf(collector.pid) };
  const { size } = (await askStatus(state.root)).chain!;

  const paths = (list: readonly string[]): string[] => list.map((name) => `/v1/${name}`);
  for (const [i, [name, to, calls, least]] of (
    [
      [
        'platform.sock',
        { path: state.sockets.platform },
        [...paths(PLATFORM), ...paths(['acknowledgements', 'events', 'receipts', 'status'])],
        80,
      ],
      ['proof.sock', { path: state.sockets.proof }, [...COMPARISON, `/verdicts/${HASH}`], 60],
      ['switch.sock', { path: state.sockets.switch }, ['/transitions', '/transitions/last'], 80],
      ['field.sock', { path: state.sockets.field }, ['/v1/status'], 80],
      ['gate.sock', { path: state.sockets.gate }, ['/v1/status'], 80],
      ["the collector's control.sock", { path: join(dir, 'control.sock') }, ['/v1/status'], 80],
      ['interface 2', { port: Number(port), host: '127.0.0.1' }, COLLECTOR, 80],
    ] as const
  ).entries()) {
    await t.test(name, async (t) => {
      const requests = new MalformedRequests(2_700 + i, calls, `authorization: Bearer ${TOKEN}`);
      assertRefused(t, await assault(requests, to), least);
    });
  }

  await t.test('the control port answers nothing', async (t) => {
    const ended = await assault(new MalformedRequests(2_780, ['/']), {
      port: controlPort,
      host: '127.0.0.1',
    });
    t.ok(ended.every(({ how }) => how === 'closed' || how === 'waiting'));
  });

  await t.test('the comparison port, while connected', async (t) => {
    const request = signMessage(key, encodeLeaseRequest(wish));
    const answer = decodeLeaseAnswer(new Uint8Array(await exchange(controlPort, request)));
    t.equal(answer.result, 'connected');
    const to = { port: answer.port, host: '127.0.0.1' };
    assertRefused(t, await assault(new MalformedRequests(2_790, COMPARISON), to), 40);
  });

  await t.test('both processes live, hold no more memory, and nothing reached the chain', async (t) => {
    const status = await askStatus(state.root);
    t.match(status, { chain: {}, field: {}, gate: { state: 'connected' } });
    const grown = {
      box: memoryOf(box.pid) - memory.box,
      collector: memoryOf(collector.pid) - memory.collector,
    };
    for (const [name, bytes] of Object.entries(grown)) {
      t.ok(bytes < MOST_GROWTH_BYTES, `${name} has grown by ${Math.round(bytes / 1e6)} MB`);
    }
    const transitions = 2;
    t.equal(
      status.chain!.size,
      size + 2 * transitions,
      'the two transitions of the lease, each in its block',
    );
    t.notMatch(box.output + collector.output, /\n +at |unforeseen|"internal"/);
    t.equal((await meterseal('collector', 'status', '--dir', dir)).code, 0);
    box.signal('SIGTERM');
    t.equal(await box.end(), 0);
    t.equal((await meterseal('fsck', '--state', state.root)).code, 0);
  });
});
