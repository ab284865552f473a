import { readFileSync } from 'node:fs';
import { readSpool } from 'meterseal/internal/gate/spool-record';
import type { Test } from 'tap';
import t from 'tap';
import { FaultySpoolFile } from './faulty-spool-file.js';
import { GateBox, isRefused, leaseBytes } from './gate-box.js';
import { ScriptedDriver } from './scripted-driver.js';
import { until } from './until.js';

/** The spool after each of its writes, through one whole lease, one that a fault ended, and the next. */
async function spoolHistory(t: Test): Promise<Uint8Array[]> {
  const box = await GateBox.create(t);
  const driver = new ScriptedDriver();
  const file = new FaultySpoolFile();
  const history: Uint8Array[] = [];
  const append = file.append.bind(file);
  file.append = async (bytes) => {
    await append(bytes);
    history.push(file.bytes.slice());
  };
  await box.start({ spoolFile: file }, driver);
  await box.connect({ counter: 1 });
  await box.send(leaseBytes({ counter: 2, action: 'release' }));
  await box.connect({ counter: 3 });
  driver.contact = 'isolated';
  await box.advance(5_000);
  driver.contact = null;
  await until('it is isolated', () => box.state === 'isolated');
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  await box.gate.stop();
  return history;
}

t.test('a crash after any write: the next start closes what was open', async (t) => {
  const history = await spoolHistory(t);
  const ends = new Set<string>();
  for (const bytes of history) {
    const { records } = readSpool(bytes);
    const spooled = records.flatMap((record) => (record.kind === 'transition' ? [record.transition] : []));
    const last = spooled.at(-1)?.to ?? 'isolated';
    // The chain may have the last transition, or not yet.
    for (const lag of records.at(-1)?.kind === 'transition' ? [0, 1] : [0]) {
      const box = await GateBox.create(t);
      box.chain.transitions.push(...spooled.slice(0, Math.max(0, spooled.length - lag)));
      await box.start({ spoolFile: new FaultySpoolFile(bytes) });
      t.equal(box.state, 'isolated');
      await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
      await box.connect({ counter: 100 });
      const closing = box.chain.transitions[spooled.length];
      if (last === 'isolated') t.equal(closing?.to, 'connecting', 'nothing to close');
      else {
        const fault = last === 'connecting' || last === 'connected' ? 'end-unknown' : 'crash';
        t.match(
          closing,
          { from: last, to: 'isolated', fault, counter: 0, purpose: 'none' },
          `${last}, lag ${lag}`,
        );
        t.ok(closing?.lease.every((byte) => byte === 0));
        ends.add(last);
      }
      await box.gate.stop();
    }
  }
  t.same([...ends].sort(), ['connected', 'connecting', 'fault', 'isolating'], 'every state was met');
});

t.test('a spool that was lost: the chain says where numbering stands, and what has no end', async (t) => {
  for (const states of [
    ['connecting'],
    ['connecting', 'connected'],
    ['connecting', 'isolating', 'isolated'],
    [],
  ] as const) {
    const box = await GateBox.create(t);
    let from = 'isolated' as (typeof box.chain.transitions)[number]['from'];
    for (const to of states) {
      box.chain.transitions.push({
        from,
        to,
        driver: 'process',
        grade: 0,
        lease: new Uint8Array(16).fill(5),
        who: new Uint8Array(32).fill(6),
        counter: 9,
        purpose: 'comparison',
        fault: 'none',
        at: 1,
        max: 60_000,
        readBacks: [],
      });
      from = to;
    }
    await box.start();
    await box.connect({ counter: 10 });
    await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
    const closed = from === 'isolated' ? [] : ['isolated:end-unknown'];
    t.equal(box.chain.line, [...states, ...closed, 'connecting', 'connected'].join(' '));
    await box.gate.stop();
  }
});

t.test('a spool from yesterday: the chain rules', async (t) => {
  const history = await spoolHistory(t);
  const early = history[3]!;
  const whole = readSpool(history.at(-1)!).records;
  const box = await GateBox.create(t);
  for (const record of whole) if (record.kind === 'transition') box.chain.transitions.push(record.transition);
  const { length } = box.chain.transitions;
  await box.start({ spoolFile: new FaultySpoolFile(early) });
  await box.connect({ counter: 200 });
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.same(
    box.chain.transitions.slice(length).map(({ to }) => to),
    ['connecting', 'connected'],
  );
  await box.gate.stop();
});

t.test('a chain from yesterday: the gate goes on from there', async (t) => {
  const history = await spoolHistory(t);
  const box = await GateBox.create(t);
  await box.start({ spoolFile: new FaultySpoolFile(history.at(-1)!) });
  await box.connect({ counter: 200 });
  await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
  t.equal(box.chain.line, 'connecting connected');
  await box.gate.stop();
});

t.test('a damaged spool is set aside, and the gate goes on from the chain', async (t) => {
  const history = await spoolHistory(t);
  const damaged = new FaultySpoolFile(Uint8Array.from([...history.at(-1)!, ...new Uint8Array(4_000)]));
  damaged.bytes[30]! ^= 1;
  const box = await GateBox.create(t);
  await box.start({ spoolFile: damaged });
  t.ok(damaged.aside);
  await box.connect();
  await box.gate.stop();
});

t.test('a transition that cannot be written down: nothing is connected, and the gate ends', async (t) => {
  // Writes of a first lease: base, connecting, connected, isolating, isolated; marks lie between.
  for (const next of ['not-applied', 'applied-but-failed'] as const) {
    for (const when of ['connecting', 'connected', 'isolating', 'isolated'] as const) {
      const box = await GateBox.create(t);
      const file = new FaultySpoolFile();
      const append = file.append.bind(file);
      let armed = false;
      file.append = async (bytes) => {
        const [record] = readSpool(bytes).records;
        if (!armed && record?.kind === 'transition' && record.transition.to === when) {
          armed = true;
          file.next = next;
        }
        return append(bytes);
      };
      await box.start({ spoolFile: file });
      const answer = await box.send(leaseBytes());
      if (when === 'connecting') t.not(answer?.result, 'connected');
      else if (answer?.result === 'connected') await box.send(leaseBytes({ counter: 2, action: 'release' }));
      const failure = await box.gate.failed;
      t.equal(failure.code, 'commit-failed', `${when}, ${next}`);
      await until('isolation is assured', () => box.gate.status().assured);
      t.equal(box.state, 'fault');
      if (answer !== null && answer.port > 0) t.ok(await isRefused(answer.port));
      t.match(
        await box.send(leaseBytes({ counter: 3 })),
        { result: 'fault' },
        'no lease until the next start',
      );
      await box.gate.stop();

      await box.start({ spoolFile: file });
      await box.connect({ counter: 4 });
      await until('all is committed', () => box.gate.status().transitions.uncommitted === 0);
      t.match(box.chain.line, /isolated(:end-unknown|:crash)? connecting connected$|^connecting connected$/);
      await box.gate.stop();
    }
  }
});

t.test('a mark that cannot be written ends the gate as well', async (t) => {
  const box = await GateBox.create(t);
  const file = new FaultySpoolFile();
  const note = file.note.bind(file);
  file.note = async (bytes) => {
    file.next = 'not-applied';
    return note(bytes);
  };
  await box.start({ spoolFile: file });
  await box.send(leaseBytes());
  t.equal((await box.gate.failed).code, 'commit-failed');
  await until('isolation is assured', () => box.gate.status().assured);
});

t.test('a cut-off last write is mended at the start', async (t) => {
  const box = await GateBox.create(t);
  await box.start();
  await box.connect();
  await box.gate.stop();
  const path = `${box.options.stateDir}/transitions`;
  const whole = new Uint8Array(readFileSync(path));
  const torn = new FaultySpoolFile(whole.slice(0, whole.length - 3));
  await box.start({ spoolFile: torn });
  await box.connect({ counter: 5 });
  await box.gate.stop();
});
