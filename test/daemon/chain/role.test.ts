import { readFileSync } from 'node:fs';
import { decodeEntries, decodeEntry, openCheckpoint } from '@meterseal/protocol';
import t from 'tap';
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
