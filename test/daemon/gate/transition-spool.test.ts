import { lstatSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SwitchFault, SwitchState, SwitchTransition } from '@meterseal/protocol';
import { concat } from '@meterseal/protocol';
import { openSpoolFile } from 'meterseal/internal/gate/spool-file';
import { encodeSpoolRecord, readSpool } from 'meterseal/internal/gate/spool-record';
import { TransitionSpool } from 'meterseal/internal/gate/transition-spool';
import t from 'tap';
import { FaultySpoolFile } from './faulty-spool-file.js';

const folder = await mkdtemp(join(tmpdir(), 'meterseal-spool-'));
t.teardown(() => rm(folder, { recursive: true }));
let files = 0;
const freshPath = () => join(folder, `transitions-${files++}`);

const ROUND = ['connecting', 'connected', 'isolating', 'isolated'] as const;

function transition(from: SwitchState, to: SwitchState, fault: SwitchFault = 'none'): SwitchTransition {
  return {
    from,
    to,
    driver: 'process',
    grade: 0,
    lease: new Uint8Array(16).fill(1),
    who: new Uint8Array(32).fill(2),
    counter: 3,
    purpose: 'comparison',
    fault,
    at: Date.UTC(2026, 0, 1),
    max: 60_000,
    readBacks: [{ witness: 'listener', says: 'isolated' }],
  };
}

/** The n-th transition, from 0, of a switch that goes round and round. */
const nth = (n: number) => transition(ROUND[(n + 3) % 4]!, ROUND[n % 4]!);
const fresh = encodeSpoolRecord({ kind: 'base', seq: 0, state: 'isolated' });

t.test('transitions are numbered without a gap, and go on where they stood', async (t) => {
  const path = freshPath();
  let spool = await TransitionSpool.open(await openSpoolFile(path));
  t.equal(spool.last, null, 'a new spool does not know where numbering stands');
  await spool.rebase({ seq: 0, state: 'isolated' });
  for (let n = 0; n < 6; n++) await spool.append(nth(n));
  await spool.committed(4);
  await spool.close();
  t.equal(lstatSync(path).mode & 0o777, 0o600);

  spool = await TransitionSpool.open(await openSpoolFile(path));
  t.equal(spool.found, 'clean');
  t.same(spool.last, { seq: 6, state: 'connected' });
  t.same(
    spool.pending.map(({ seq, transition }) => [seq, transition.to]),
    [
      [5, 'connecting'],
      [6, 'connected'],
    ],
  );
  t.same(spool.pending[0]?.transition, nth(4), 'what was spooled is what is read');
  await spool.append(nth(6));
  t.equal(spool.last?.seq, 7);
  await spool.close();
});

t.test('numbers are given in the order of the calls, before the writes are through', async (t) => {
  const file = new FaultySpoolFile(fresh);
  const spool = await TransitionSpool.open(file);
  const writes = [spool.append(nth(0)), spool.append(nth(1)), spool.append(nth(2))];
  t.equal(spool.last?.seq, 3);
  await Promise.all(writes);
  const seqs = readSpool(file.bytes).records.map(({ seq }) => seq);
  t.same(seqs, [0, 1, 2, 3]);
});

t.test('a transition that does not follow the last state is not spooled', async (t) => {
  const file = new FaultySpoolFile(fresh);
  const spool = await TransitionSpool.open(file);
  await t.rejects(spool.append(nth(1)), { code: 'bad-argument' });
  await t.rejects(spool.committed(1), { code: 'bad-argument' });
  t.equal(file.writes, 0);
});

t.test('going on from the chain voids what was spooled above', async (t) => {
  const file = new FaultySpoolFile(fresh);
  const spool = await TransitionSpool.open(file);
  for (let n = 0; n < 3; n++) await spool.append(nth(n));
  await spool.rebase({ seq: 41, state: 'isolated' });
  t.same(spool.pending, []);
  await spool.append(nth(0));
  const again = await TransitionSpool.open(file);
  t.same(again.last, { seq: 42, state: 'connecting' });
  t.same(
    again.pending.map(({ seq }) => seq),
    [42],
  );
});

t.test('a spool torn at any byte is what it was before the write that was cut off', async (t) => {
  const records = [fresh];
  for (let n = 0; n < 5; n++) {
    records.push(encodeSpoolRecord({ kind: 'transition', seq: n + 1, transition: nth(n) }));
    if (n % 2 === 0) records.push(encodeSpoolRecord({ kind: 'committed', seq: n + 1 }));
  }
  const whole = concat(...records);
  const ends = records.map((_, i) => concat(...records.slice(0, i + 1)).length);
  for (let length = 0; length <= whole.length; length++) {
    const file = new FaultySpoolFile(whole.slice(0, length));
    const spool = await TransitionSpool.open(file);
    const kept = ends.filter((end) => end <= length).at(-1) ?? 0;
    const clean = kept === length;
    if (spool.found !== (clean ? 'clean' : 'torn')) t.fail(`${length} bytes: ${spool.found}`);
    if (file.bytes.length !== kept) t.fail(`${length} bytes: ${file.bytes.length} of them kept`);
    const last = spool.last;
    if (last === null) {
      if (kept !== 0) t.fail(`${length} bytes: nothing known`);
      continue;
    }
    await spool.append(nth(last.seq));
    const again = await TransitionSpool.open(file);
    if (again.found !== 'clean' || again.last?.seq !== last.seq + 1) t.fail(`${length} bytes: cannot go on`);
  }
  t.pass(`${whole.length} places`);
});

t.test('garbage behind the last record is cut off like a torn write', async (t) => {
  for (const garbage of [new Uint8Array(120), new Uint8Array(120).fill(255)]) {
    const file = new FaultySpoolFile(concat(fresh, garbage));
    const spool = await TransitionSpool.open(file);
    t.equal(spool.found, 'torn');
    t.same(spool.last, { seq: 0, state: 'isolated' });
    t.same(file.bytes, fresh);
  }
});

t.test('a changed byte is never read as a transition that was not spooled', async (t) => {
  const whole = concat(fresh, encodeSpoolRecord({ kind: 'transition', seq: 1, transition: nth(0) }));
  for (let i = 0; i < whole.length; i++) {
    const changed = whole.slice();
    changed[i]! ^= 1 << (i % 8);
    const { records, tail } = readSpool(changed);
    if (tail === 'clean' || records.length > 1) t.fail(`byte ${i}`);
  }
  t.pass(`${whole.length} bytes`);
});

t.test('a spool damaged in its middle is set aside and counts as lost', async (t) => {
  const records = [fresh];
  for (let n = 0; n < 40; n++) {
    records.push(encodeSpoolRecord({ kind: 'transition', seq: n + 1, transition: nth(n) }));
  }
  const damaged = concat(...records);
  damaged[fresh.length + 20]! ^= 1;
  const skipping = concat(fresh, records[2]!);
  for (const bytes of [damaged, skipping]) {
    const path = freshPath();
    writeFileSync(path, bytes);
    const spool = await TransitionSpool.open(await openSpoolFile(path));
    t.equal(spool.found, 'damaged');
    t.equal(spool.last, null);
    t.same(new Uint8Array(readFileSync(`${path}.damaged`)), bytes, 'the evidence is kept');
    await spool.rebase({ seq: 40, state: 'isolated' });
    await spool.append(nth(0));
    await spool.close();
    const again = await TransitionSpool.open(await openSpoolFile(path));
    t.equal(again.last?.seq, 41);
    await again.close();
  }
});

t.test('a write that fails is the last one, whether it was applied or not', async (t) => {
  for (const next of ['not-applied', 'applied-but-failed'] as const) {
    const file = new FaultySpoolFile(fresh);
    const spool = await TransitionSpool.open(file);
    await spool.append(nth(0));
    file.next = next;
    await t.rejects(spool.append(nth(1)), { code: 'commit-failed' }, next);
    const { writes } = file;
    await t.rejects(spool.append(nth(2)), { code: 'commit-failed' }, 'nothing is written after it');
    await t.rejects(spool.settled(), { code: 'commit-failed' });
    t.equal((await spool.failed).code, 'commit-failed');
    t.equal(file.writes, writes);
    const again = await TransitionSpool.open(file);
    t.same(
      again.last,
      next === 'applied-but-failed' ? { seq: 2, state: 'connected' } : { seq: 1, state: 'connecting' },
    );
  }
});

t.test('mending a spool can fail too, and says so', async (t) => {
  for (const next of ['not-applied', 'applied-but-failed'] as const) {
    const file = new FaultySpoolFile(concat(fresh, new Uint8Array(7)));
    file.next = next;
    await t.rejects(TransitionSpool.open(file), { code: 'commit-failed' });
    const again = await TransitionSpool.open(file);
    t.equal(again.last?.seq, 0, `${next}: mended at the next start`);
  }
});

t.test('a full disk is named as such', async (t) => {
  const file = new FaultySpoolFile(fresh);
  const spool = await TransitionSpool.open(file);
  file.next = 'not-applied';
  file.code = 'ENOSPC';
  await t.rejects(spool.append(nth(0)), { code: 'disk-full' });
});

t.test('a long spool is written anew once the chain has everything', async (t) => {
  const path = freshPath();
  const spool = await TransitionSpool.open(await openSpoolFile(path));
  await spool.rebase({ seq: 0, state: 'isolated' });
  const size = encodeSpoolRecord({ kind: 'transition', seq: 1, transition: nth(0) }).length;
  const most = Math.ceil(1_048_576 / size) + 4;
  const file = await openSpoolFile(path);
  const records: Uint8Array[] = [];
  for (let n = 0; n < most; n++) {
    records.push(encodeSpoolRecord({ kind: 'transition', seq: n + 1, transition: nth(n) }));
  }
  await file.append(concat(...records));
  await file.close();
  await spool.close();

  const long = await TransitionSpool.open(await openSpoolFile(path));
  await long.committed(most - 1);
  t.ok(lstatSync(path).size > 1_048_576, 'not while something is pending');
  await long.committed(most);
  t.ok(lstatSync(path).size < 100);
  await long.append(nth(most));
  await long.close();
  const again = await TransitionSpool.open(await openSpoolFile(path));
  t.equal(again.last?.seq, most + 1);
  t.equal(again.committedSeq, most);
  await again.close();
});

t.test('a link in the place of the spool is not followed', async (t) => {
  const target = freshPath();
  writeFileSync(target, 'precious');
  const path = freshPath();
  symlinkSync(target, path);
  await t.rejects(openSpoolFile(path), { code: 'file-unusable' });
  t.equal(readFileSync(target, 'utf8'), 'precious');
});
