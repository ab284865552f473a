import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { encodeVerdict, fromBase64, signMessage, toHex } from '@meterseal/protocol';
import { checkChain } from 'meterseal/internal/chain/fsck';
import { Database } from 'meterseal/internal/host/database';
import type { Test } from 'tap';
import t from 'tap';
import { collector, engine, ORIGIN, TestBox } from './test-box.js';

/** A chain with something in every table; stopped. */
async function everything(t: Test): Promise<TestBox> {
  const box = await TestBox.start(t);
  const meter = await box.metering('EM:1');
  await box.submit(...Array.from({ length: 260 }, (_, i) => meter.frame(i + 1)));
  const statement = encodeVerdict({
    origin: ORIGIN,
    collectorKey: collector.publicKey,
    lease: new Uint8Array(16),
    size: 3,
    root: new Uint8Array(32),
    time: 1,
    verified: 1,
    tampered: 0,
    unverifiable: 0,
    findings: [],
  });
  await box.ask('proof', { method: 'POST', path: '/verdicts', bytes: signMessage(collector, statement) });
  await box.stop();
  return box;
}

async function changed(box: TestBox, sql: string): Promise<readonly string[]> {
  const path = `${box.state.chainDatabase}.changed`;
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
  copyFileSync(box.state.chainDatabase, path);
  const database = await Database.open(path, { pragmas: ['ignore_check_constraints=ON'] });
  await database.exec(sql);
  await database.close();
  const report = await checkChain(path, box.policy, engine);
  t.equal(report.clean, report.findings.length === 0);
  return report.findings;
}

/** SQL that flips the lowest bit of one byte of a BLOB. */
function flip(table: string, column: string, at: string, where: string): string {
  const byte = `unhex(printf('%02x', CASE WHEN hex(substr(${column}, ${at}, 1)) = '00' THEN 1 ELSE 0 END))`;
  const changed = `CAST(substr(${column}, 1, ${at} - 1) || ${byte} || substr(${column}, ${at} + 1) AS BLOB)`;
  return `UPDATE ${table} SET ${column} = ${changed} WHERE ${where}`;
}

t.test('a sound chain is clean, and its size and root are told', async (t) => {
  const box = await everything(t);
  const report = await checkChain(box.state.chainDatabase, box.policy, engine);
  const lines = readFileSync(box.state.checkpoint, 'utf8').split('\n');
  t.same(report, { clean: true, findings: [], size: Number(lines[1]), root: toHex(fromBase64(lines[2]!)) });
});

t.test('a changed byte is named, in whichever table and column it is', async (t) => {
  const box = await everything(t);
  const changes: [string, RegExp][] = [
    [flip('block', 'entries', '40', 'height = 5'), /^block 5/],
    [flip('block', 'entries', 'length(entries)', 'height = 5'), /^block 5/],
    [flip('block', 'root', '7', 'height = 3'), /^block 3: its entries give another root/],
    [
      "UPDATE block SET note = replace(note, 'meterseal.example', 'meterseal.exampla') WHERE height = 3",
      /^block 3/,
    ],
    ["UPDATE block SET note = note || 'x' WHERE height = 3", /^block 3: checkpoint/],
    ['UPDATE block SET time_ms = time_ms + 1 WHERE height = 3', /another time than its block/],
    ['UPDATE block SET count = count + 1 WHERE height = 3', /^block 3: 2 entries where 3/],
    ['UPDATE block SET first_index = 100000 WHERE height = 3', /^block 3: it starts at/],
    ['UPDATE block SET height = 900 WHERE height = 3', /^block/],
    ['DELETE FROM block WHERE height = 3', /^block 4: it follows block 2/],
    [flip('tile', 'hashes', '8000', 'level = 0 AND number = 0'), /^tile 0\/0/],
    ['UPDATE tile SET level = 1', /^tile 0\/0: missing/],
    ['UPDATE tile SET number = 1', /^tile 0\/0: missing/],
    ["INSERT INTO tile (level, number, hashes) VALUES (0, 1, x'00')", /^2 tiles where 1/],
    ['UPDATE entry_range SET last_seq = last_seq + 1 WHERE type = 4', /^index row reading 1 1…261/],
    ['UPDATE entry_range SET first_seq = first_seq + 1 WHERE type = 4', /reading 1 of subject 1 stands in 0/],
    ['UPDATE entry_range SET subject = 2 WHERE type = 3', /^index row session 2/],
    ['UPDATE entry_range SET type = 5 WHERE type = 3', /^index row switch/],
    ['UPDATE entry_range SET height = 77 WHERE type = 1', /enrolment 0 of subject 1 stands in 0/],
    ['DELETE FROM entry_range WHERE type = 3', /session 1 of subject 1 stands in 0/],
    ["UPDATE meter SET id = 'EM:2'", /^meter row 1/],
    [flip('meter', 'salt', '3', '1'), /^meter row 1/],
    ['UPDATE meter SET subject = 2', /^meter row 2/],
    ['DELETE FROM meter', /^0 meters where 1/],
    [flip('enrolment', 'code_sha256', '3', '1'), /^enrolment row 3/],
    [flip('enrolment', 'holder_salt', '3', '1'), /^enrolment row 3/],
    [flip('enrolment', 'nonce', '3', '1'), /^enrolment row 3/],
    [flip('enrolment', 'digest', '3', '1'), /^enrolment row 3/],
    ['UPDATE enrolment SET entry_index = 4', /^enrolment row 4/],
    ['UPDATE enrolment SET subject = 4', /^enrolment row 3/],
    [flip('verdict', 'signed', '70', '1'), /^verdict row/],
    [flip('verdict', 'signed', 'length(signed)', '1'), /^verdict row/],
    [flip('verdict', 'hash', '3', '1'), /^verdict row/],
    ['UPDATE verdict SET entry_index = 4', /^verdict row 4/],
    ['DELETE FROM verdict', /^0 verdict rows where 1/],
    ["UPDATE meta SET platform_id = 'other.example/x/y'", /^meta: another platform/],
    ['UPDATE meta SET format = 2', /format 2/],
    ['DELETE FROM meta', /^meta/],
    ['DROP TABLE verdict', /damaged/],
  ];
  for (const [sql, expected] of changes) {
    const findings = await changed(box, sql);
    t.ok(
      findings.some((finding) => expected.test(finding)),
      `${sql}: ${findings.join('; ')}`,
    );
  }
});

t.test('a chain that was cut short or signed by another key is not clean', async (t) => {
  const box = await everything(t);
  const cut = 'DELETE FROM block WHERE height = (SELECT max(height) FROM block)';
  t.ok((await changed(box, cut)).length > 0, 'its verdict row has lost its entry');
  const other = await TestBox.start(t, { random: (length) => new Uint8Array(length).fill(9) });
  const report = await checkChain(box.state.chainDatabase, other.policy, engine);
  t.match(report.findings[0], /the policy does not know its log key/);
});

t.test('a file that is no database is one finding, one that is missing is an error', async (t) => {
  const box = await everything(t);
  const path = `${box.state.chainDatabase}.garbage`;
  writeFileSync(path, 'x'.repeat(9_000));
  const report = await checkChain(path, box.policy, engine);
  t.equal(report.clean, false);
  t.equal(report.findings.length, 1);
  await t.rejects(checkChain(`${path}.missing`, box.policy, engine), { code: 'file-unusable' });
});

t.test('every byte of a stored entry counts', async (t) => {
  const box = await everything(t);
  for (let at = 1; at <= 160; at += 13) {
    const findings = await changed(box, flip('block', 'entries', String(at), 'height = 2'));
    t.ok(findings.length > 0, `byte ${at}`);
  }
});
