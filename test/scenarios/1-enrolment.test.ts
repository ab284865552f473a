import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import type { EnrolmentRequest } from '@meterseal/protocol';
import { concat, holderCommitment, meterCommitment, toBase64, utf8 } from '@meterseal/protocol';
import { SqliteChainReader } from 'meterseal/internal/chain/sqlite-store';
import { addToRoster } from 'meterseal/internal/commands/roster';
import type { RawConfig } from 'meterseal/internal/config/config';
import { stateFolder } from 'meterseal/internal/host/state-folder';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { startSimulator } from '../simulator/start.js';
import { Line, METERS } from './line.js';

const OWN = 'OWN-KEY-7';
const UNLISTED = 'NOBODY-KNOWS-ME';
const MISTYPED = 'MISTYPED-CODE';

t.test('a meter is enrolled only as the roster has it, and the chain does not name it', async (t) => {
  const simulator = await startSimulator({
    tcp: true,
    units: { 1: 'eastron/sdm120', 2: 'eastron/sdm120', 3: 'eastron/sdm120' },
  });
  t.teardown(() => simulator.stop());
  const line = await Line.launch(t, { configure: (config) => withMoreMeters(config, simulator.tcpPort!) });
  const { state, platform } = line;
  const codeOf = (meter: string): string => readFileSync(join(state.root, `${meter}.code`), 'utf8').trim();
  const holders: Record<string, { name: string }> = {
    ...Object.fromEntries(METERS.map((id, i) => [id, { name: ['Bakery', 'Flat 3', 'Workshop'][i]! }])),
    [OWN]: { name: 'Own Key & Sons' },
  };
  const enrolled = [...METERS, OWN];

  await t.test('what is refused for one meter leaves the others running', async (t) => {
    await line.until('the good meters are enrolled, the others refused', ({ field }) =>
      field?.meters.every(({ id, state, problem, anchoredTo }) =>
        enrolled.includes(id) ? state === 'enrolled' && anchoredTo >= 2 : problem !== null,
      ),
    );
    const meters = (await line.box.status()).field!.meters;
    const problemOf = (meter: string): string | null => meters.find(({ id }) => id === meter)!.problem;
    t.equal(problemOf(UNLISTED), 'unknown-meter');
    t.equal(problemOf(MISTYPED), 'wrong-code');
    for (const meter of enrolled) t.equal(problemOf(meter), null, meter);
    for (const { id, recordedTo } of meters)
      t.equal(recordedTo > 0, enrolled.includes(id), `${id} is recorded only once it is enrolled`);
  });

  await t.test(
    'each refusal has its own code, and nothing of it but conflicts is on the chain',
    async (t) => {
      const before = await line.chain();
      const ask = (meter: string, holder: { name: string }, code: string): Promise<unknown> => {
        const key = engine.generateKey();
        const request: EnrolmentRequest = { meter, holder, code, publicKey: toBase64(key.publicKey) };
        return platform.enrol(request);
      };
      const [first] = METERS as [string];
      const code = codeOf(first);
      await t.rejects(ask(UNLISTED, holders[first]!, code), { code: 'unknown-meter' });
      await t.rejects(ask(first, { name: 'Somebody else' }, code), { code: 'wrong-holder' });
      await t.rejects(ask(first, holders[first]!, `${code}x`), { code: 'wrong-code' });
      await t.rejects(ask(first, holders[first]!, code), { code: 'code-used' });

      giveNewCode(state.roster, first, 'a-new-code');
      await t.rejects(ask(first, holders[first]!, 'a-new-code'), { code: 'already-enrolled' });

      const added = (await line.chain()).since(before);
      t.notOk(
        added.some(({ entry }) => entry.type === 'enrolment'),
        'nobody is enrolled',
      );
      const conflicts = added.flatMap(({ entry }) => (entry.type === 'event' ? entry.event : []));
      const subject = await line.subjectOf(first);
      const conflict = { kind: 'conflict', subject, what: 'enrolment' };
      t.strictSame(conflicts, [conflict, conflict], 'a second claim to an enrolled meter is told');
    },
  );

  await t.test('entry 01 commits to ID and holder, and says whose word the key is', async (t) => {
    const chain = await line.chain();
    t.equal(chain.all('enrolment').length, enrolled.length);
    const reader = await SqliteChainReader.open(state.chainDatabase);
    t.teardown(() => reader.close());
    const rows = await reader.enrolments();
    for (const meter of enrolled) {
      const known = (await line.field((store) => store.findMeter(meter)))!;
      const [entry] = chain.all('enrolment', known.subject!);
      const {
        meterCommitment: id,
        holderCommitment: holder,
        identityKey,
        keyOrigin,
        firstSeq,
      } = entry!.entry;
      t.strictSame(id, meterCommitment(engine, known.salt!, meter), `${meter} opens it`);
      const { holderSalt } = rows.find(({ index }) => index === entry!.index)!;
      t.strictSame(
        holder,
        holderCommitment(engine, new Uint8Array(holderSalt), holders[meter]!),
        'the holder opens it',
      );
      const other = meterCommitment(engine, known.salt!, `${meter}0`);
      t.not(toBase64(id), toBase64(other), 'another ID does not');
      t.strictSame(identityKey, new Uint8Array(known.identityKey!), 'the key is the one in use');
      t.equal(keyOrigin, meter === OWN ? 'own' : 'issued');
      t.equal(firstSeq, 1);
    }
  });

  await t.test('no entry holds a meter ID, a holder or a code', async (t) => {
    const chain = Buffer.from(concat(...(await line.chain()).entries.map(({ bytes }) => bytes)));
    const secrets = [...enrolled, MISTYPED, UNLISTED, ...Object.values(holders).map(({ name }) => name)];
    for (const meter of [...enrolled, MISTYPED]) {
      secrets.push(codeOf(meter));
      const hash = engine.sha256(utf8(codeOf(meter)));
      t.notOk(chain.includes(Buffer.from(hash)), `the hash of the code of ${meter}`);
    }
    for (const secret of secrets) t.notOk(chain.includes(secret), secret);
  });

  await t.test("identity keys lie in files of the user's own, named by number", async (t) => {
    const numbers = await line.field((store) =>
      Promise.all(enrolled.map(async (meter) => (await store.findMeter(meter))!.number)),
    );
    const files = readdirSync(state.identityKeys);
    t.strictSame(files.sort(), numbers.map((number) => `${number}.key`).sort());
    t.equal(statSync(state.identityKeys).mode & 0o777, 0o700);
    for (const name of files) {
      const path = join(state.identityKeys, name);
      t.equal(statSync(path).mode & 0o777, 0o600, `${name} is its user's alone`);
      const text = readFileSync(path, 'utf8');
      t.notOk(
        enrolled.some((meter) => text.includes(meter)),
        `${name} names no meter`,
      );
    }
  });
});

/** A bus more, with a meter that brings its own key, one that is not on the roster, and one with another's code. */
function withMoreMeters(config: RawConfig, port: number): RawConfig {
  const [tcp] = config.field!.buses!.slice(-1);
  const folder = join(tcp!.meters[0]!['code-file'], '..');
  const codeFile = (id: string): string => join(folder, `${id}.code`);
  const state = stateFolder(folder);
  addToRoster(state, { meter: OWN, holder: { name: 'Own Key & Sons' } }, codeFile(OWN));
  addToRoster(state, { meter: MISTYPED, holder: { name: 'Mistyped' } }, codeFile(MISTYPED));
  for (const id of [UNLISTED, MISTYPED]) writeFileSync(codeFile(id), 'not-the-code\n', { mode: 0o600 });
  const meter = (id: string, unit: number, name: string): (typeof tcp & object)['meters'][number] => ({
    ...{ id, unit, profile: 'eastron/sdm120', holder: { name } },
    'code-file': codeFile(id),
  });
  const meters = [
    { ...meter(OWN, 1, 'Own Key & Sons'), identity: 'own' as const },
    meter(UNLISTED, 2, 'Nobody'),
    meter(MISTYPED, 3, 'Mistyped'),
  ];
  const buses = [...config.field!.buses!, { address: `tcp://127.0.0.1:${port}`, meters }];
  return { ...config, field: { ...config.field, buses } };
}

/** What an operator may do by mistake: a new code for a meter that is enrolled. */
function giveNewCode(roster: string, meter: string, code: string): void {
  const entries = parse(readFileSync(roster, 'utf8')) as { meter: string; codeSha256: string }[];
  const codeSha256 = Buffer.from(engine.sha256(utf8(code))).toString('hex');
  writeFileSync(
    roster,
    stringify(entries.map((entry) => (entry.meter === meter ? { ...entry, codeSha256 } : entry))),
  );
}
