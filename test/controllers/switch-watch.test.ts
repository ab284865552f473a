import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { systemClock } from '@meterseal/node-red-meterseal/core';
import type { PortSays } from '@meterseal/node-red-meterseal/internal/controllers/port-witness';
import { tcpPortWitness } from '@meterseal/node-red-meterseal/internal/controllers/port-witness';
import type { SwitchView } from '@meterseal/node-red-meterseal/internal/controllers/switch-watch';
import { SwitchWatch } from '@meterseal/node-red-meterseal/internal/controllers/switch-watch';
import type { LeaseAction, LeaseRequest } from '@meterseal/protocol';
import t from 'tap';
import { collectorKey, PLATFORM_ID } from '../collector/sample-meter.js';

function request(action: LeaseAction): LeaseRequest {
  const lease = new Uint8Array(16).fill(1);
  return {
    platformId: PLATFORM_ID,
    collectorKey: collectorKey.publicKey,
    lease,
    counter: 1,
    action,
    purpose: 'comparison',
    max: 1_000,
  };
}

/** A watch, and what it has told; `says` is what the port shows. */
function watch(says: PortSays | undefined) {
  const told: SwitchView[] = [];
  const asked: string[] = [];
  const witness = async (host: string, port: number): Promise<PortSays> => {
    asked.push(`${host}:${port}`);
    return says!;
  };
  const own = new SwitchWatch('gate', systemClock, says && witness, (view) => told.push(view));
  const states = (): string[] =>
    told.map(({ state, why }) => (why === undefined ? state : `${state} ${why}`));
  return { own, told, asked, states };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('a window is told step by step, and ends with what the port shows', async (t) => {
  const { own, told, asked, states } = watch('refused');
  t.equal(own.view.state, 'isolated');
  own.asked(request('connect'));
  own.answered(request('connect'), 'connected', 4711, 1_000);
  own.asked(request('release'));
  own.answered(request('release'), 'refused', 0, 0);
  await settled();
  t.same(states(), ['connecting', 'connected', 'isolating', 'isolated']);
  t.same(asked, ['gate:4711']);
  t.equal(told[3]!.witness, 'refused');
  t.equal(told[3]!.lease, '01'.repeat(16));
});

t.test('a port that still accepts is a fault, whatever the gate says', async (t) => {
  const { own, states } = watch('accepted');
  own.asked(request('connect'));
  own.answered(request('connect'), 'connected', 4711, 1_000);
  own.asked(request('release'));
  own.answered(request('release'), 'refused', 0, 0);
  await settled();
  t.equal(states().at(-1), 'fault port-accepts');
});

t.test('a gate at fault is a fault, when it connects and when it isolates', async (t) => {
  for (const action of ['connect', 'release'] as const) {
    const { own, states } = watch('refused');
    own.asked(request(action));
    own.answered(request(action), 'fault', 0, 0);
    await settled();
    t.equal(states().at(-1), 'fault gate-fault');
  }
});

t.test('a connect that is not granted says why', async (t) => {
  for (const [result, why] of [
    ['refused', 'refused'],
    ['busy', 'busy'],
    [undefined, 'unreachable'],
  ] as const) {
    const { own, asked, states } = watch('refused');
    own.asked(request('connect'));
    own.answered(request('connect'), result, 0, 0);
    await settled();
    t.same(states(), ['connecting', `isolated ${why}`]);
    t.same(asked, [], 'nobody looks at a port that was never named');
  }
});

t.test('without a witness nobody looks', async (t) => {
  const { own, told } = watch(undefined);
  own.asked(request('connect'));
  own.answered(request('connect'), 'connected', 4711, 1_000);
  own.asked(request('release'));
  own.answered(request('release'), 'refused', 0, 0);
  await settled();
  t.equal(told.at(-1)!.state, 'isolated');
  t.equal(told.at(-1)!.witness, undefined);
});

t.test('a port that listens accepts, and one that does not refuses', async (t) => {
  const server = createServer((socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.equal(await tcpPortWitness('127.0.0.1', port), 'accepted');
  server.close();
  await once(server, 'close');
  t.equal(await tcpPortWitness('127.0.0.1', port), 'refused');
});
