import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { decodeEntries, decodeEntry, encodeSubmission, openCheckpoint } from '@meterseal/protocol';
import t from 'tap';
import { until } from '../gate/until.js';
import { engine, ORIGIN, TestBox } from './test-box.js';

t.test('a meter enrols, authenticates, opens a session, and its readings reach the chain', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const answer = await box.submit(meter.frame(1), meter.frame(2));
  t.same(
    answer.results.map(({ code }) => code),
    ['accepted', 'accepted'],
  );
  const opened = openCheckpoint(engine, box.policy, answer.checkpoint);
  t.equal(opened.checkpoint.origin, ORIGIN);
  t.equal(answer.checkpoint, await box.checkpoint());
  t.equal(answer.checkpoint, readFileSync(box.state.checkpoint, 'utf8'));

  const { size } = opened.checkpoint;
  const { body } = await box.ask('proof', { method: 'GET', path: `/entries?from=0&to=${size}` });
  const entries = decodeEntries(body, size).map((entry) => decodeEntry(entry));
  t.same(
    entries.map(({ type }) => type),
    [
      ...['epoch', 'event', 'block-close'],
      ...['enrolment', 'block-close'],
      ...['authentication', 'block-close'],
      ...['session', 'block-close'],
      ...['reading', 'reading', 'block-close'],
    ],
  );
  const reading = entries[answer.results[1]!.index!]!;
  t.match(reading, { type: 'reading', subject: 1, seq: 2, hash: engine.sha256(meter.record(2)) });
});

t.test('a lost reply after the commit does not append twice', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  const { size } = box.role.status();
  const body = encodeSubmission([meter.frame(1), meter.frame(2)]);
  const socket = connect(box.state.sockets.platform);
  socket.on('error', () => {});
  socket.write(
    `POST /v1/readings HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: ${body.length}\r\n\r\n`,
  );
  socket.write(body);
  // Nobody reads the answer: the connection goes as soon as the commit is seen.
  socket.pause();
  await until('both readings are on the chain', () => box.role.status().size === size + 3);
  socket.destroy();
  t.same(await box.codes(meter.frame(1), meter.frame(2), meter.frame(3)), [
    'duplicate',
    'duplicate',
    'accepted',
  ]);
  t.equal(box.role.status().size, size + 5);
});

t.test('the sockets are for this user only, and gone when the chain has stopped', async (t) => {
  const box = await TestBox.start(t);
  const sockets = Object.values(box.state.sockets).filter((path) => existsSync(path));
  t.equal(sockets.length, 3);
  for (const path of sockets) t.equal(statSync(path).mode & 0o777, 0o600);
  await box.stop();
  for (const path of sockets) t.notOk(existsSync(path));
});

t.test('status tells what the chain is', async (t) => {
  const box = await TestBox.start(t);
  await box.metering('EM:1');
  const { body } = await box.ask('platform', { method: 'GET', path: '/v1/status' });
  t.same(JSON.parse(body.toString()), box.role.status());
  t.match(box.role.status(), { origin: ORIGIN, meters: 1, sessions: 1, engine: 'javascript', height: 4 });
});

t.test('a stop under load finishes what it has taken and loses nothing', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  box.checksEveryCall = false;
  const answers = Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => box.post('/v1/events', { kind: 'fault', n: i })),
  );
  const submission = box.submit(meter.frame(1)).then(
    ({ results }) => results[0]!.code,
    () => 'unanswered',
  );
  await box.stop();
  await answers;
  const before = await submission;
  await box.start();
  await box.assertInvariants();
  await meter.openSession();
  const [again] = await box.codes(meter.frame(1));
  t.ok(before === 'accepted' ? again === 'duplicate' : again === 'accepted' || again === 'duplicate');
});

t.test('a start that fails leaves nothing open behind it', async (t) => {
  const box = new TestBox(t);
  writeFileSync(box.state.roster, 'meter: EM:1');
  await t.rejects(box.start(), { code: 'bad-roster' });
  writeFileSync(box.state.roster, '[]');
  const long = `${box.state.run}/${'x'.repeat(120)}.sock`;
  await t.rejects(box.start({ sockets: { ...box.state.sockets, switch: long } }), {
    code: 'socket-path-too-long',
  });
  await box.start({});
  t.ok(await box.checkpoint());
});
