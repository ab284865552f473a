import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { LeaseAnswer } from '@meterseal/protocol';
import { decodeLeaseAnswer } from '@meterseal/protocol';
import type { RelayOptions } from 'meterseal/internal/gate/drivers/open-driver';
import { startGate } from 'meterseal/internal/gate/role';
import { systemClock } from 'meterseal/internal/host/clock';
import type { Test } from 'tap';
import t from 'tap';
import type { RelaySimulator } from '../../simulator/start-relay.js';
import { startRelaySimulator } from '../../simulator/start-relay.js';
import { exchange, GateBox, leaseBytes } from './gate-box.js';
import { RawPeer } from './http-peer.js';
import { until } from './until.js';

/*
 * What a relay, its wires and its gate can come to: each time it is isolated within the lease's maximum, or the switch is
 * in fault and says whether isolation is assured. A lease that ends in fault voids the comparison, which the collector's
 * own tests show.
 */

const PROFILE = 'waveshare/modbus-rtu-relay-d-8ch';
const MAX_LEASE_MS = 8_000;
const LONG_MS = 60_000;
t.setTimeout(240_000);

const relayOptions = ({ address }: RelaySimulator): RelayOptions => ({
  ...{ address, profile: PROFILE, channel: 1, contact: { profile: PROFILE, channel: 1 } },
  ...{ pulseMs: 2_000, answerMs: 500 },
});

type Bench = { readonly box: GateBox; readonly relay: RelaySimulator };

/** A gate with a relay in this process, on the real clock. */
async function bench(t: Test): Promise<Bench> {
  const relay = await startRelaySimulator();
  // First, so that it is stopped last: a gate that stops wants to reach its board.
  t.teardown(() => relay.stop());
  const box = await GateBox.create(t);
  box.gate = await startGate({ ...box.options, relay: relayOptions(relay), clock: systemClock });
  return { box, relay };
}

const contactIs = (relay: RelaySimulator, closed: boolean): Promise<void> =>
  until(`the contact is ${closed}`, async () => (await relay.isClosed()) === closed, LONG_MS);
const stateIs = (box: GateBox, state: string): Promise<void> =>
  until(`it is ${state}`, () => box.state === state, LONG_MS);
const committed = (box: GateBox): Promise<void> =>
  until('all is committed', () => box.gate.status().transitions.uncommitted === 0, LONG_MS);

t.test('a relay in order: grade G2, and four witnesses are on the chain', async (t) => {
  const { box, relay } = await bench(t);
  t.match(box.gate.status(), { state: 'isolated', assured: true, driver: 'modbus-relay', grade: 2 });
  await box.connect({ counter: 1 });
  t.ok(await relay.isClosed());
  t.match(await box.send(leaseBytes({ counter: 2, action: 'release' })), { result: 'refused' });
  t.notOk(await relay.isClosed());
  await committed(box);
  t.equal(box.chain.line, 'connecting connected isolating isolated');
  t.strictSame(
    box.chain.transitions.map(({ driver, grade, readBacks }) => [
      driver,
      grade,
      readBacks.map(({ witness, says }) => `${witness} ${says}`).join(),
    ]),
    [
      ['modbus-relay', 2, ''],
      ['modbus-relay', 2, 'listener connected,live-sockets connected,coil connected,contact connected'],
      ['modbus-relay', 2, ''],
      ['modbus-relay', 2, 'listener isolated,live-sockets isolated,coil isolated,contact isolated'],
    ],
  );
});

t.test(
  'what is wrong before the window: the lease is told fault, and nothing is ever connected',
  async (t) => {
    t.jobs = 3;
    for (const [what, faults, fault] of [
      ['stuck open', { stuck: 'open' }, 'disagree'],
      ['a coil that always says isolated', { coilSays: false }, 'disagree'],
      ['a contact that always says isolated', { contactSays: false }, 'disagree'],
      ['a timer that is lost', { timerLost: true }, 'driver'],
      ['a board that answers and does nothing', { deaf: true }, 'driver'],
    ] as const) {
      void t.test(what, { buffered: true }, async (t) => {
        const { box, relay } = await bench(t);
        await relay.setFaults(faults);
        t.match(await box.send(leaseBytes({ counter: 1 })), { result: 'fault', port: 0, granted: 0 });
        await stateIs(box, 'isolated');
        t.notOk(await relay.isClosed());
        t.ok(box.gate.status().assured);
        await committed(box);
        t.equal(box.chain.line, `connecting fault:${fault} isolated`);
        t.equal(box.proof.connections, 0);
        await relay.setFaults({});
        await box.connect({ counter: 2 });
      });
    }
  },
);

t.test(
  'stuck closed, a lying witness, an unplugged port: fault that is not assured until it is seen',
  async (t) => {
    t.jobs = 3;
    const byRelease = 'connecting connected isolating fault';
    for (const [what, spoil, mend, fault] of [
      ['stuck closed', { stuck: 'closed' }, {}, 'disagree'],
      ['a coil that always says connected', { coilSays: true }, {}, 'disagree'],
      ['a contact that always says connected', { contactSays: true }, {}, 'disagree'],
      ['unplugged', null, null, 'driver'],
      ['silent', { silent: true }, {}, 'driver'],
    ] as const) {
      void t.test(what, { buffered: true }, async (t) => {
        const { box, relay } = await bench(t);
        await box.connect({ counter: 1 });
        await (spoil === null ? relay.plug(false) : relay.setFaults(spoil));
        t.match(await box.send(leaseBytes({ counter: 2, action: 'release' })), { result: 'fault' });
        t.match(box.gate.status(), { state: 'fault', assured: false });
        t.match(await box.send(leaseBytes({ counter: 3 })), { result: 'fault' }, 'no lease meanwhile');
        if (what !== 'stuck closed') await contactIs(relay, false);
        t.match(box.gate.status(), { state: 'fault', assured: false }, 'whatever is true, it is not assured');
        await (mend === null ? relay.plug(true) : relay.setFaults(mend));
        await stateIs(box, 'isolated');
        t.notOk(await relay.isClosed());
        await committed(box);
        t.equal(box.chain.line, `${byRelease}:${fault} isolated`);
      });
    }
  },
);

t.test('a relay that is moved while isolated is found, and isolated again', async (t) => {
  const { box, relay } = await bench(t);
  await relay.setFaults({ stuck: 'closed' });
  await stateIs(box, 'fault');
  t.match(box.gate.status(), { assured: false });
  t.match(await box.send(leaseBytes({ counter: 1 })), { result: 'fault' }, 'no lease meanwhile');
  await relay.setFaults({});
  await stateIs(box, 'isolated');
  t.match(box.gate.status(), { assured: true });
  t.equal(box.chain.posts, 0, 'the chain has no edge for it');
  await box.connect({ counter: 2 });
});

t.test(
  'a board that is lost in the middle of a window ends it, and the contact opens by itself',
  async (t) => {
    const { box, relay } = await bench(t);
    const { port } = await box.connect({ counter: 1, max: LONG_MS });
    const peer = await RawPeer.connect(port);
    await relay.plug(false);
    await contactIs(relay, false);
    await stateIs(box, 'fault');
    await until('its connection is cut off', () => peer.over, LONG_MS);
    t.equal(peer.received, '');
    t.match(box.gate.status(), { assured: false });
    await relay.plug(true);
    await stateIs(box, 'isolated');
    await committed(box);
    t.equal(box.chain.line, 'connecting connected fault:disagree isolated');
  },
);

type Other = {
  readonly box: GateBox;
  readonly relay: RelaySimulator;
  readonly child: ChildProcess;
  readonly started: number;
};

/** A gate in a process of its own, connected by a lease of `MAX_LEASE_MS`. */
async function connectedElsewhere(t: Test): Promise<Other> {
  const relay = await startRelaySimulator();
  // First, so that it is stopped last: a gate that stops wants to reach its board.
  t.teardown(() => relay.stop());
  const box = await GateBox.create(t);
  const child = fork(new URL('./gate-process.js', import.meta.url), [
    box.folder,
    JSON.stringify(relayOptions(relay)),
  ]);
  t.teardown(() => child.kill('SIGKILL'));
  const [controlPort] = (await once(child, 'message')) as [number];
  const started = Date.now();
  const answer: LeaseAnswer = decodeLeaseAnswer(
    new Uint8Array(await exchange(controlPort, leaseBytes({ max: MAX_LEASE_MS }))),
  );
  t.equal(answer.result, 'connected');
  t.ok(await relay.isClosed());
  return { box, relay, child, started };
}

t.test('a gate that is killed, stopped or hangs: the contact opens within the lease’s maximum', async (t) => {
  t.jobs = 3;
  for (const [what, strike] of [
    ['killed', (child: ChildProcess) => child.kill('SIGKILL')],
    ['stopped', (child: ChildProcess) => child.kill('SIGSTOP')],
    ['hung', (child: ChildProcess) => child.send('hang')],
  ] as const) {
    void t.test(what, { buffered: true }, async (t) => {
      const { box, relay, child, started } = await connectedElsewhere(t);
      strike(child);
      await contactIs(relay, false);
      const opened = relay.moves().at(-1)!;
      t.notOk(opened.closed);
      t.ok(opened.time - started <= MAX_LEASE_MS, `after ${(opened.time - started).toFixed(0)} ms`);
      if (what === 'stopped') {
        child.kill('SIGCONT');
        await until('the window has its end', () => box.chain.line.endsWith('isolated'), LONG_MS);
        t.match(box.chain.line, /^connecting connected (fault:disagree|isolating) isolated$/);
      } else {
        child.kill('SIGKILL');
        box.gate = await startGate({ ...box.options, relay: relayOptions(relay), clock: systemClock });
        await committed(box);
        t.match(box.chain.line, /^connecting connected isolated:end-unknown$/);
      }
      t.notOk(await relay.isClosed());
      t.notOk(relay.moves().at(-1)!.closed, 'and was not closed again');
    });
  }
});
