import { readFileSync } from 'node:fs';
import type { ReadBack } from '@meterseal/protocol';
import type { SwitchDriver } from 'meterseal/internal/gate/driver';
import type { ConnectionHandler } from 'meterseal/internal/gate/drivers/process';
import { ProcessDriver } from 'meterseal/internal/gate/drivers/process';
import { startGate } from 'meterseal/internal/gate/role';
import type { Test } from 'tap';
import t from 'tap';
import { GateBox, isRefused, leaseBytes, SECOND_COLLECTOR } from './gate-box.js';
import { ask } from './http-peer.js';
import { until } from './until.js';

/** The rows of the first table of docs/isolation.md: state, then one cell for each question. */
const rows = new Map(
  [
    ...readFileSync(new URL('../../../../docs/isolation.md', import.meta.url), 'utf8').matchAll(
      /^\| (isolated|connecting|connected|isolating|fault) \| ((?:[^|]+ \| ){3}[^|]+) \|$/gm,
    ),
  ].map((match) => [match[1]!, match[2]!.split(' | ')] as const),
);

/** The process driver, which a test can keep from finishing, and make lie. */
class HeldDriver extends ProcessDriver {
  held: Promise<void> = Promise.resolve();
  lies = false;

  override async isolate(): Promise<void> {
    await super.isolate();
    await this.held;
  }

  override async readBacks(): Promise<ReadBack[]> {
    const [listener, sockets] = await super.readBacks();
    return [listener!, { ...sockets!, says: this.lies ? 'connected' : sockets!.says }];
  }
}

async function boxWithDriver(t: Test) {
  const box = await GateBox.create(t);
  let driver!: HeldDriver;
  box.gate = await startGate({
    ...box.options,
    driver: (handler: ConnectionHandler): SwitchDriver => {
      driver = new HeldDriver({ host: '127.0.0.1', port: 0, handler, clock: box.clock });
      return driver;
    },
  });
  return { box, driver };
}

/** Asks every question of the table in the state that the box is in. */
async function row(box: GateBox, port: number): Promise<string[]> {
  const before = box.proof.requests.length;
  const connects = (await isRefused(port)) ? 'refused' : 'accepted';
  const good = await ask(port, 'GET', '/checkpoint').catch(() => null);
  const passed = box.proof.requests.length > before && good?.status === 200;
  const other = await ask(port, 'GET', '/v1/status').catch(() => null);
  const lease = await box.send(leaseBytes({ counter: 900 }, SECOND_COLLECTOR));
  return [
    connects,
    passed ? 'passes' : 'nothing',
    other === null ? 'nothing' : String(other.status),
    lease?.result ?? 'nothing',
  ];
}

t.test('the table of docs/isolation.md has a row for every state', async (t) => {
  t.same([...rows.keys()].sort(), ['connected', 'connecting', 'fault', 'isolated', 'isolating']);
});

t.test('isolated: before the first lease, and after one', async (t) => {
  const { box } = await boxWithDriver(t);
  const { port } = await box.connect();
  await box.send(leaseBytes({ counter: 2, action: 'release' }));
  t.equal(box.state, 'isolated');
  t.same(await row(box, port), rows.get('isolated'));
});

t.test('connecting: the chain has not answered', async (t) => {
  const { box } = await boxWithDriver(t);
  const { port } = await box.connect();
  await box.send(leaseBytes({ counter: 2, action: 'release' }));
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  box.chain.mode = 'ignores';
  const waiting = box.send(leaseBytes({ counter: 3 }));
  await until('it is connecting', () => box.state === 'connecting');
  t.same(await row(box, port), rows.get('connecting'));
  await box.send(leaseBytes({ counter: 4, action: 'release' }));
  t.match(await waiting, { result: 'refused' });
  await box.chain.stop();
  box.chain.mode = 'answers';
  await box.chain.start(box.options.sockets.switch);
});

t.test('connected', async (t) => {
  const { box } = await boxWithDriver(t);
  const { port } = await box.connect();
  t.same(await row(box, port), rows.get('connected'));
});

t.test('isolating: the driver is still at it', async (t) => {
  const { box, driver } = await boxWithDriver(t);
  const { port } = await box.connect();
  let finish: () => void = () => {};
  driver.held = new Promise((resolve) => {
    finish = resolve;
  });
  const released = box.send(leaseBytes({ counter: 2, action: 'release' }));
  await until('it is isolating', () => box.state === 'isolating');
  t.same(await row(box, port), rows.get('isolating'));
  finish();
  t.match(await released, { result: 'refused' });
});

t.test('fault: a witness says connected, whatever is done', async (t) => {
  const { box, driver } = await boxWithDriver(t);
  const { port } = await box.connect();
  driver.lies = true;
  await box.send(leaseBytes({ counter: 2, action: 'release' }));
  t.match(box.gate.status(), { state: 'fault', assured: false });
  t.same(await row(box, port), rows.get('fault'));
});
