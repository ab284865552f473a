import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import { concat, holderBytes, readingHash, toBase64, toHex } from '@meterseal/protocol';
import { changeOneValue } from 'meterseal/internal/commands/demo/insider';
import type { RawConfig } from 'meterseal/internal/config/config';
import t from 'tap';
import { meterseal } from '../command-line.js';
import { startRelaySimulator } from '../simulator/start-relay.js';
import { DirectMeter, recordOf } from './direct-meter.js';
import { Line, METERS } from './line.js';

/*
 * The seven claims of docs/claims.md in one walk over one line, with a relay in the line of the comparison. Each has a test
 * of its own beside this one, which goes further.
 */

const READINGS = 4;
const PROFILE = 'waveshare/modbus-rtu-relay-d-8ch';
/** Where the comparison is: another address than the control port's, as on hardware. */
const COMPARISON_HOST = '127.0.0.2';
const WITNESSES = ['listener', 'live-sockets', 'coil', 'contact'];

t.test('with a relay in the line of the comparison', async (t) => {
  const relay = await startRelaySimulator({ serial: true });
  t.teardown(() => relay.stop());
  const line = await Line.complete(t, READINGS, {
    comparisonHost: COMPARISON_HOST,
    configure: (config: RawConfig) => ({
      ...config,
      gate: {
        ...config.gate,
        'comparison-host': COMPARISON_HOST,
        'max-lease': '30s',
        relay: {
          ...{ address: relay.address, profile: PROFILE, channel: 1, contact: { input: 1 } },
          ...{ pulse: '3s', timeout: '1s' },
        },
      },
    }),
  });
  const { platform, state } = line;
  const stranger = engine.generateKey();
  const [first] = METERS as [string];

  await t.test(
    '1: a meter is enrolled only as the roster has it, and the chain does not name it',
    async (t) => {
      const holder = { name: 'Bakery' };
      const publicKey = toBase64(stranger.publicKey);
      await t.rejects(platform.enrol({ meter: 'NOBODY', holder, code: 'x'.repeat(22), publicKey }), {
        code: 'unknown-meter',
      });
      const code = readFileSync(join(state.root, `${first}.code`), 'utf8').trim();
      await t.rejects(platform.enrol({ meter: first, holder, code, publicKey }), {
        code: 'code-used',
      });
      const chain = await line.chain();
      t.equal(chain.all('enrolment').length, METERS.length);
      const bytes = Buffer.concat(chain.entries.map((entry) => entry.bytes));
      for (const name of [...METERS, 'Bakery', new TextDecoder().decode(holderBytes(holder))]) {
        t.notOk(bytes.includes(name), name);
      }
    },
  );

  const meter = await DirectMeter.enrol(platform, state, 'EM-9');

  await t.test('2: acceptance and rejection are both on the chain', async (t) => {
    const good = await meter.authenticate();
    const bad = await meter.authenticate(undefined, stranger);
    const { entries } = await line.chain();
    t.match(entries[good.index!]!.entry, { type: 'authentication', result: 'accepted' });
    t.match(entries[bad.index!]!.entry, {
      type: 'authentication',
      result: 'rejected',
      reason: 'bad-signature',
    });
  });

  await t.test('3: a session key comes only behind an acceptance', async (t) => {
    const rejected = await meter.authenticate(undefined, stranger);
    await t.rejects(meter.openSession(rejected), { code: 'authentication-unknown' });
    const session = await meter.session();
    t.match((await line.chain()).all('session', meter.ref.subject).at(-1)!.entry, { seq: session.session });
  });

  await t.test(
    '4: the chain has the hash of the bytes that were sealed, and nothing else is taken',
    async (t) => {
      const chain = await line.chain();
      for (const id of METERS) {
        const subject = await line.subjectOf(id);
        const records = await line.records(id);
        const entries = chain.all('reading', subject);
        t.strictSame(
          entries.map(({ entry }) => toHex(entry.hash)),
          records.map(({ bytes }) => toHex(readingHash(engine, bytes))),
          id,
        );
        for (const [i, { entry }] of entries.entries()) {
          const { sessionKey } = chain
            .all('session', subject)
            .find((one) => one.entry.seq === entry.session)!.entry;
          const record = new Uint8Array(records[i]!.bytes);
          t.strictSame(engine.openSeal(sessionKey, concat(entry.sealSignature, record)), record);
        }
      }
      const { session, key } = await meter.session();
      const foreign = key.seal(recordOf(first, READINGS + 1, '1.00'));
      t.strictSame(await meter.submit({ session, sealed: foreign }), [{ code: 'meter-mismatch' }]);
    },
  );

  await t.test('5: the collector has the same bytes, each once and in order', async (t) => {
    for (const id of METERS) {
      const recorded = (await line.records(id)).map(({ bytes }) => toHex(new Uint8Array(bytes)));
      t.strictSame(
        line.spooled(id).map((bytes) => toHex(new Uint8Array(bytes))),
        recorded,
        id,
      );
    }
    const proof = join(state.root, 'proof');
    const asked = ['--state', state.root, '--meter', first, '--seq', '2', '-o', proof];
    t.equal((await meterseal('prove', ...asked)).code, 0);
    t.equal((await meterseal('verify', proof, '--policy', state.policy)).code, 0, 'and proofs of them hold');
  });

  await t.test('6: a comparison names exactly the reading that was changed', async (t) => {
    const all = METERS.length * READINGS;
    t.match(await line.box.compare(), { outcome: 'judged', readings: all, verified: all, tampered: [] });
    await line.box.stopCollector();
    const touched = changeOneValue(state.collector, first);
    await line.box.startCollector();
    const { outcome, tampered, verified } = await line.box.compare();
    t.strictSame(
      { outcome, tampered, verified },
      {
        outcome: 'judged',
        tampered: [{ ...touched, reason: 'hash-differs', accused: 'collector' }],
        verified: all - 1,
      },
    );
  });

  await t.test(
    '7: the contact was closed in those windows only, and every transition is on the chain',
    async (t) => {
      t.match((await line.box.status()).gate, {
        ...{ state: 'isolated', assured: true, driver: 'modbus-relay', grade: 2 },
        readBacks: WITNESSES.map((witness) => ({ witness, says: 'isolated' })),
      });
      t.notOk(await relay.isClosed());
      await line.until('all transitions are on the chain', ({ gate }) => gate?.transitions.uncommitted === 0);
      const transitions = (await line.chain()).all('switch').map(({ entry }) => entry);
      t.strictSame(
        transitions.map(({ to }) => to),
        [
          'connecting',
          'connected',
          'isolating',
          'isolated',
          'connecting',
          'connected',
          'isolating',
          'isolated',
        ],
      );
      for (const { driver, grade, to, readBacks } of transitions) {
        t.match({ driver, grade }, { driver: 'modbus-relay', grade: 2 });
        if (to !== 'connected' && to !== 'isolated') continue;
        t.strictSame(
          readBacks,
          WITNESSES.map((witness) => ({ witness, says: to })),
        );
      }
      const windows = [0, 4].map((i) => [transitions[i]!.at, transitions[i + 3]!.at] as const);
      const moves = relay.moves();
      t.equal(moves.length, 8, 'in each window closed twice: to prove the timer, and to connect');
      for (const { time } of moves) {
        // Stamps are whole milliseconds.
        t.ok(
          windows.some(([from, to]) => time >= from - 1 && time <= to + 1),
          `a move at ${time}`,
        );
      }
    },
  );

  await t.test(
    '7: a contact that sticks voids the comparison, and none is made until it is mended',
    async (t) => {
      await relay.setFaults({ stuck: 'open' });
      t.match(await line.box.compare(), { outcome: 'link-fault', verified: 0 });
      await relay.setFaults({});
      await line.until('it is isolated again', ({ gate }) => gate?.state === 'isolated');
      t.match(await line.box.compare(), { outcome: 'judged', counts: { tampered: 1 } });
      await relay.setFaults({ stuck: 'closed' });
      t.match(await line.box.compare(), { outcome: 'link-fault', verified: 0 });
      t.match((await line.box.status()).gate, { state: 'fault', assured: false });
      t.match((await meterseal('status', '--state', state.root)).stdout, /ISOLATION NOT ASSURED/);
      await relay.setFaults({});
      await line.until('it is isolated again', ({ gate }) => gate?.state === 'isolated' && gate.assured);
    },
  );
});
