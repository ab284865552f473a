import t from 'tap';
import { GateBox, leaseBytes } from './gate-box.js';
import { ScriptedDriver } from './scripted-driver.js';
import { until } from './until.js';

t.test('a coil that says connected and a contact that does not: fault, and isolated again', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  driver.contact = 'isolated';
  await box.start({}, driver);
  t.match(await box.send(leaseBytes()), { result: 'fault', port: 0, granted: 0 });
  await until('it is isolated', () => box.state === 'isolated');
  t.notOk(driver.connected);
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.equal(box.chain.line, 'connecting fault:disagree isolated');
  t.match(box.chain.transitions[1], {
    driver: 'modbus-relay',
    grade: 2,
    readBacks: [
      { witness: 'coil', says: 'connected' },
      { witness: 'contact', says: 'isolated' },
    ],
  });
});

t.test('a contact that sticks: fault until it is seen isolated, and no lease meanwhile', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  await box.start({}, driver);
  await box.connect({ counter: 1 });
  driver.contact = 'connected';
  t.match(await box.send(leaseBytes({ counter: 2, action: 'release' })), { result: 'fault' });
  t.match(box.gate.status(), { state: 'fault', assured: false });
  t.match(await box.send(leaseBytes({ counter: 3 })), { result: 'fault' });
  const before = driver.tasks.length;
  for (let i = 0; i < 5; i++) await box.advance(30_000);
  t.ok(driver.tasks.length > before + 4, 'it goes on trying');
  t.match(box.gate.status(), { state: 'fault', assured: false });
  driver.contact = null;
  await box.advance(30_000);
  t.match(box.gate.status(), { state: 'isolated', assured: true });
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.equal(box.chain.line, 'connecting connected isolating fault:disagree isolated', 'tries are not recorded');
  await box.connect({ counter: 4 });
});

t.test('witnesses that part while connected end the lease', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  await box.start({}, driver);
  await box.connect();
  await box.advance(20_000);
  t.equal(box.state, 'connected');
  driver.coil = 'unknown';
  await box.advance(5_000);
  t.equal(box.state, 'fault');
  t.notOk(driver.connected);
  driver.coil = null;
  await box.advance(1_000);
  t.equal(box.state, 'isolated');
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.equal(box.chain.line, 'connecting connected fault:disagree isolated');
});

t.test('a driver that fails or hangs while it connects: fault, and isolated', async (t) => {
  for (const connecting of ['fails', 'hangs'] as const) {
    const box = await GateBox.create(t);
    const driver = new ScriptedDriver();
    driver.connecting = connecting;
    await box.start({}, driver);
    const answer = box.send(leaseBytes());
    await until('the driver is asked', () => driver.tasks.includes('connect'));
    if (connecting === 'hangs') await box.clock.advance(5_000);
    t.match(await answer, { result: 'fault' }, connecting);
    await until('it is isolated', () => box.state === 'isolated');
    await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
    t.equal(box.chain.line, 'connecting fault:driver isolated');
  }
});

t.test('a driver that fails to isolate: fault, assured only by what is read back', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  await box.start({}, driver);
  await box.connect();
  driver.isolating = 'fails';
  t.match(await box.send(leaseBytes({ counter: 2, action: 'release' })), { result: 'fault' });
  t.match(box.gate.status(), { state: 'fault', assured: false });
  driver.connected = false;
  await box.advance(1_000);
  t.match(box.gate.status(), { state: 'fault', assured: true }, 'somebody pulled the plug');
  driver.isolating = 'works';
  await box.advance(30_000);
  t.equal(box.state, 'isolated');
});

t.test('a driver that hangs at the start: fault, and every lease is told so', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  driver.isolating = 'hangs';
  const starting = box.start({}, driver);
  await until('the driver is asked', () => driver.tasks.length > 0);
  await box.clock.advance(5_000);
  await starting;
  t.match(box.gate.status(), { state: 'fault', assured: false });
  t.match(await box.send(leaseBytes()), { result: 'fault' });
  t.equal(box.chain.posts, 0);
  driver.isolating = 'works';
  await box.clock.advance(1_000);
  await until('it is isolated', () => box.state === 'isolated');
  await box.connect({ counter: 2 });
});

t.test('a driver that answers too late is not believed', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  let finish: () => void = () => {};
  driver.connect = async () => {
    driver.tasks.push('connect');
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    driver.connected = true;
    return 4_242;
  };
  await box.start({}, driver);
  const answer = box.send(leaseBytes());
  await until('the driver is asked', () => driver.tasks.includes('connect'));
  driver.contact = 'connected';
  await box.clock.advance(5_000);
  t.match(await answer, { result: 'fault' });
  finish();
  await until('it has connected after all', () => driver.connected);
  t.equal(box.state, 'fault');
  driver.contact = null;
  await box.advance(1_000);
  t.equal(box.state, 'isolated');
  t.notOk(driver.connected, 'and was isolated again');
});

t.test('stopping in fault tries once more, and ends', async (t) => {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  await box.start({}, driver);
  await box.connect();
  driver.contact = 'connected';
  await box.send(leaseBytes({ counter: 2, action: 'release' }));
  const before = driver.tasks.length;
  await box.gate.stop();
  t.equal(driver.tasks.length, before + 1);
  t.equal(box.gate.status().state, 'fault');
  driver.contact = null;
  await box.start({}, driver);
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.equal(box.chain.line, 'connecting connected isolating fault:disagree isolated:crash');
});
