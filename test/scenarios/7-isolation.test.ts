import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import type { LeaseAction, LeaseAnswer, LeaseRequest, Signer, SwitchState } from '@meterseal/protocol';
import {
  decodeLeaseAnswer,
  encodeLeaseRequest,
  openCheckpoint,
  platformIdOf,
  signMessage,
  toBase64,
  toHex,
} from '@meterseal/protocol';
import { freePort } from 'meterseal/internal/commands/demo/demo-box';
import type { Test } from 'tap';
import t from 'tap';
import { ask } from '../daemon/gate/http-peer.js';
import { Line } from './line.js';

const MAX_LEASE_MS = 5_000;
const PURPOSE = 'comparison';

t.test(
  'outside a comparison nothing reaches the platform, and every transition is on the chain',
  async (t) => {
    // A second collector of the box, whose key this test holds.
    const holder = engine.generateKey();
    const comparison = await freePort();
    const line = await Line.complete(t, 3, {
      configure: (config) => {
        const [first] = config.collectors!;
        const keyFile = join(first!['key-file'], '..', '..', 'second-collector.pub');
        writeFileSync(keyFile, `${toBase64(holder.publicKey)}\n`);
        return {
          ...config,
          gate: {
            ...config.gate,
            'comparison-port': comparison,
            'max-lease': `${MAX_LEASE_MS}ms`,
          },
          collectors: [first!, { url: 'http://127.0.0.1:9', 'key-file': keyFile }],
        };
      },
    });
    const { control } = line.box.ports;
    const platformId = platformIdOf((await line.box.status()).chain!.origin);
    let counter = 0;
    const request = (
      action: LeaseAction,
      lease: Uint8Array,
      more: Partial<LeaseRequest> = {},
      signer: Signer = holder,
    ): Uint8Array => {
      const asked = { platformId, collectorKey: holder.publicKey, lease, counter: ++counter, action };
      return signMessage(signer, encodeLeaseRequest({ ...asked, purpose: PURPOSE, max: 60_000, ...more }));
    };
    const send = async (bytes: Uint8Array): Promise<LeaseAnswer> =>
      decodeLeaseAnswer(await exchange(control, bytes));
    const isolated = (): Promise<void> =>
      line.until('the switch is isolated', ({ gate }) => gate?.state === 'isolated');

    await t.test(
      'isolated: the comparison port refuses, the control port answers nothing but leases',
      async (t) => {
        t.match((await line.box.status()).gate, {
          state: 'isolated',
          assured: true,
          driver: 'process',
          grade: 0,
        });
        t.equal(await tryConnect(comparison), 'ECONNREFUSED');
        const lease = randomBytes(16);
        const signed = request('connect', lease);
        const stranger = engine.generateKey();
        for (const [what, bytes] of [
          ['HTTP', Buffer.from('GET /checkpoint HTTP/1.1\r\nhost: gate\r\n\r\n')],
          ['noise', randomBytes(signed.length)],
          ['a request that somebody else signed', request('connect', lease, {}, stranger)],
          ["a stranger's own", request('connect', lease, { collectorKey: stranger.publicKey }, stranger)],
          ['a request to another platform', request('connect', lease, { platformId: `${platformId}x` })],
        ] as const) {
          t.equal((await exchange(control, bytes)).length, 0, what);
        }
        t.equal(await tryConnect(comparison), 'ECONNREFUSED');
        t.equal((await line.box.status()).gate!.transitions.last, 0, 'nothing moved the switch');
      },
    );

    await t.test(
      'connected: the comparison protocol passes and nothing else, until the release',
      async (t) => {
        const lease = randomBytes(16);
        const taking = request('connect', lease);
        const taken = await send(taking);
        t.match(taken, { result: 'connected', port: comparison });
        t.ok(taken.granted <= MAX_LEASE_MS, 'no longer than the cap');
        t.match((await line.box.status()).gate, {
          state: 'connected',
          lease: { id: toHex(lease), purpose: PURPOSE },
        });

        const { status, body } = await ask(comparison, 'GET', '/checkpoint');
        t.equal(status, 200);
        const { checkpoint } = openCheckpoint(engine, line.policy, body.toString('utf8'));
        t.ok(checkpoint.size > 0, 'the comparison protocol passes');
        for (const [method, path] of [
          ['POST', '/v1/readings'],
          ['POST', '/v1/enrolments'],
          ['POST', '/v1/acknowledgements'],
          ['GET', '/v1/status'],
          ['POST', '/transitions'],
          ['GET', '/../platform.sock/v1/status'],
        ] as const) {
          const body = method === 'POST' ? Buffer.from('{}') : undefined;
          const answer = await ask(comparison, method, path, body);
          t.equal(answer.status, 404, `${method} ${path}`);
          t.match(
            JSON.parse(answer.body.toString('utf8')),
            { message: /comparison protocol/ },
            'by the gate',
          );
        }

        const open = connect(comparison, '127.0.0.1').on('error', () => {});
        await once(open, 'connect');
        t.not((await send(request('release', lease))).result, 'connected');
        await line.until('the connection is reset', () => open.closed);
        t.equal(await tryConnect(comparison), 'ECONNREFUSED', 'isolated again');
        t.equal((await exchange(control, taking)).length, 0, 'a recorded request is good for nothing');
        await isTold(t, line, lease, ['connecting', 'connected', 'isolating', 'isolated']);
      },
    );

    await t.test(
      'a holder that hangs is isolated at the maximum, and others are refused until then',
      async (t) => {
        const lease = randomBytes(16);
        const before = performance.now();
        t.equal((await send(request('connect', lease))).result, 'connected');
        const open = connect(comparison, '127.0.0.1').on('error', () => {});
        await once(open, 'connect');
        t.match(
          await line.box.compare(),
          { outcome: 'link-denied', windowMs: 0 },
          "the other collector's turn",
        );
        await line.until('the connection is reset', () => open.closed);
        await isolated();
        const held = performance.now() - before;
        t.ok(held >= MAX_LEASE_MS, `connected for ${held.toFixed(0)} ms`);
        t.equal(await tryConnect(comparison), 'ECONNREFUSED');
        await isTold(t, line, lease, ['connecting', 'connected', 'isolating', 'isolated']);
      },
    );

    await t.test('a comparison connects for its own time only', async (t) => {
      const before = await line.chain();
      const report = await line.box.compare();
      t.match(report, { outcome: 'judged', verified: 9, tampered: [] });
      t.ok(report.windowMs > 0 && report.windowMs < MAX_LEASE_MS, `connected for ${report.windowMs} ms`);
      t.match((await line.box.status()).gate, { state: 'isolated', assured: true });
      t.equal(await tryConnect(comparison), 'ECONNREFUSED');
      await line.until('all transitions are on the chain', ({ gate }) => gate?.transitions.uncommitted === 0);
      const moved = (await line.chain())
        .since(before)
        .flatMap(({ entry }) => (entry.type === 'switch' ? entry : []));
      t.strictSame(
        moved.map(({ to }) => to),
        ['connecting', 'connected', 'isolating', 'isolated'],
      );
      t.equal(new Set(moved.map(({ lease }) => toHex(lease))).size, 1);
    });

    await t.test(
      'a box that is killed while connected is isolated, and says how it found the switch',
      async (t) => {
        const lease = randomBytes(16);
        t.equal((await send(request('connect', lease))).result, 'connected');
        await line.box.stopBox('SIGKILL');
        t.equal(await tryConnect(comparison), 'ECONNREFUSED', 'dead is isolated');
        line.box.startBox();
        await isolated();
        t.equal(await tryConnect(comparison), 'ECONNREFUSED');
        await isTold(t, line, lease, ['connecting', 'connected']);
        const { entry: end } = (await line.chain()).all('switch').at(-1)!;
        t.match(end, { from: 'connected', to: 'isolated', fault: 'end-unknown' });
      },
    );

    await t.test(
      'all transitions are on the chain, numbered without a gap, each with what was read back',
      async (t) => {
        const chain = await line.chain();
        const transitions = chain.all('switch').map(({ entry }) => entry);
        t.strictSame(
          transitions.map(({ seq }) => seq),
          transitions.map((_, i) => i + 1),
        );
        for (const [i, { seq, from, to, driver, grade, readBacks }] of transitions.entries()) {
          t.equal(from, transitions[i - 1]?.to ?? 'isolated', `${seq}: from where the one before ended`);
          t.strictSame({ driver, grade }, { driver: 'process', grade: 0 });
          const says = to === 'connected' || to === 'isolated' ? to : undefined;
          if (says === undefined) continue;
          t.ok(readBacks.length >= 2, `${seq}: ${readBacks.length} witnesses`);
          t.ok(
            readBacks.every((one) => one.says === says),
            `${seq}: all say ${says}`,
          );
        }
      },
    );
  },
);

/** Waits until the transitions of a lease are on the chain: these, in this order, and each of this very lease. */
async function isTold(t: Test, line: Line, lease: Uint8Array, states: readonly SwitchState[]): Promise<void> {
  await line.until('all transitions are on the chain', ({ gate }) => gate?.transitions.uncommitted === 0);
  const told = (await line.chain()).all('switch').map(({ entry }) => entry);
  const own = told.filter((entry) => toHex(entry.lease) === toHex(lease));
  t.strictSame(
    own.map(({ to }) => to),
    states,
    'each transition is on the chain, with its lease',
  );
  for (const { purpose, max, counter } of own) {
    t.ok(purpose === PURPOSE && max <= MAX_LEASE_MS && counter > 0, 'and what was asked for');
  }
}

/** Sends bytes to a port, and gives what came back until the connection ended. */
function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve) => {
    const came: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (piece) => came.push(piece));
    // A peer that closes without reading resets the connection.
    socket.on('error', () => {});
    socket.once('close', () => resolve(Buffer.concat(came)));
  });
}

/** How an attempt to connect ends: `connected`, or the system's code. */
function tryConnect(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (how: string): void => {
      socket.destroy();
      resolve(how);
    };
    socket.once('connect', () => end('connected'));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'failed'));
  });
}
