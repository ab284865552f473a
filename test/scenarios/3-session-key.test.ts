import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '@meterseal/native';
import { javascriptEngine as engine, fromPkcs8Pem, generateSeed, toPkcs8Pem } from '@meterseal/native';
import { sessionMessage } from '@meterseal/protocol';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import t from 'tap';
import { ChainCopy } from './chain-copy.js';
import { DirectMeter } from './direct-meter.js';
import { INNER_METERS, InnerBox } from './inner-box.js';
import { filesBelow, Line, METERS } from './line.js';

t.test('a session key comes only behind an acceptance, and seals nothing after its end', async (t) => {
  const perTransmission = { session: 'per-transmission' } as const;
  const line = await Line.complete(t, 6, {
    configure: (config) => ({
      ...config,
      field: { ...config.field, ...perTransmission },
      chain: { sessions: { readings: 3 } },
    }),
  });
  const { platform, state } = line;
  const meter = await DirectMeter.enrol(platform, state, 'EM-8');
  const other = await DirectMeter.enrol(platform, state, 'EM-9');

  await t.test('no session without an acceptance of this very meter, unused and the last one', async (t) => {
    const before = await line.chain();
    const first = await meter.authenticate();
    const theirs = await other.authenticate();
    await t.rejects(meter.openSession({ ...first, index: 0 }), { code: 'authentication-unknown' });
    await t.rejects(meter.openSession(theirs), { code: 'authentication-unknown' }, "another meter's");
    await t.rejects(other.openSession(first), { code: 'authentication-unknown' });
    const second = await meter.authenticate();
    await t.rejects(meter.openSession(first), { code: 'authentication-unknown' }, 'not the last one');
    await t.rejects(meter.openSession(second, other.identity), { code: 'bad-signature' });
    await t.rejects(meter.openSession({ ...second, message: first.message }), { code: 'bad-signature' });
    t.equal((await line.chain()).all('session').length, before.all('session').length);

    const session = await meter.openSession(second);
    await t.rejects(meter.openSession(second), { code: 'authentication-used' });
    const added = (await line.chain()).since(before).filter(({ entry }) => entry.type === 'session');
    t.equal(added.length, 1);
    t.match(added[0]!.entry, { subject: meter.ref.subject, seq: session.session });
  });

  await t.test('a session that has ended, or never was, seals nothing', async (t) => {
    const old = await meter.session();
    const seal = ({ session, key }: typeof old, seq: number) => {
      return { session, sealed: key.seal(meter.record(seq)) };
    };
    t.match(await meter.submit(seal(old, 1)), [{ code: 'accepted' }]);
    const next = await meter.session();
    const before = await line.chain();
    t.strictSame(await meter.submit(seal(old, 2)), [{ code: 'session-unknown' }], 'another one is open');
    t.strictSame(await meter.submit(seal({ ...old, session: 999_999 }, 2)), [{ code: 'session-unknown' }]);
    t.strictSame(await meter.submit(seal({ ...old, session: next.session }, 2)), [{ code: 'seal-invalid' }]);
    t.equal((await line.chain()).checkpoint.size, before.checkpoint.size, 'nothing was appended');
    for (const seq of [2, 3, 4]) t.match(await meter.submit(seal(next, seq)), [{ code: 'accepted' }]);
    t.strictSame(
      await meter.submit(seal(next, 5)),
      [{ code: 'session-expired' }],
      'its readings are used up',
    );
  });

  await t.test('per transmission: one authentication and one session for each', async (t) => {
    const chain = await line.chain();
    const blockOf = (index: number): number =>
      chain.all('block-close').find((close) => close.index > index)!.index;
    for (const id of METERS) {
      const subject = await line.subjectOf(id);
      const sessions = chain.all('session', subject);
      const accepted = chain.all('authentication', subject);
      t.strictSame(
        sessions.map(({ entry }) => entry.authentication),
        accepted.map(({ index }) => index),
        `${id}: each authentication opens one session`,
      );
      const transmissions = new Map<number, Set<number>>();
      for (const { entry, index } of chain.all('reading', subject)) {
        const blocks = transmissions.get(entry.session) ?? new Set();
        transmissions.set(entry.session, blocks.add(blockOf(index)));
      }
      t.strictSame(
        [...transmissions.keys()],
        sessions.map(({ entry }) => entry.seq),
        `${id}: each session is used`,
      );
      for (const blocks of transmissions.values()) t.equal(blocks.size, 1, 'for one transmission');
      t.ok(sessions.length > 1, `${id}: ${sessions.length} transmissions`);
    }
  });

  await t.test('the identity key has signed for every session key on the chain', async (t) => {
    const chain = await line.chain();
    for (const { entry } of chain.all('session')) {
      const { subject, authentication, sessionKey, signature } = entry;
      const enrolment = chain.all('enrolment', subject)[0]!.entry;
      const accepted = chain.entries[authentication]!.entry;
      if (accepted.type !== 'authentication') throw new Error('the session names no authentication');
      const message = sessionMessage({
        origin: chain.checkpoint.origin,
        meter: { subject, commitment: enrolment.meterCommitment },
        authenticationHash: accepted.messageHash,
        sessionKey,
      });
      t.ok(engine.verify(enrolment.identityKey, message, signature), `session ${entry.seq}`);
    }
  });
});

t.test('a session ends by the clock of the platform, and its secret is written nowhere', async (t) => {
  const sessionSeeds: Uint8Array[] = [];
  const generateKey: Engine['generateKey'] = () => {
    const seed = generateSeed();
    sessionSeeds.push(seed);
    return engine.keyFromSeed(seed);
  };
  const box = await InnerBox.start(t, { mostReadings: 1_000, engine: { ...engine, generateKey } });
  await box.until(({ anchoredTo }) => anchoredTo > 0);
  box.clock.ahead += 25 * 3_600_000;
  await box.until(() => sessionSeeds.length >= 2 * INNER_METERS.length);
  const recorded = new Map((await box.field.status()).meters.map(({ id, recordedTo }) => [id, recordedTo]));
  await box.until(({ id, anchoredTo }) => anchoredTo > recorded.get(id)!);

  const http = new HttpClient({ socketPath: box.state.sockets.platform }, 'the platform');
  t.teardown(() => http.close());
  const meter = await DirectMeter.enrol(new PlatformClient(http), box.state, 'EM-9');
  const { session, key } = await meter.session();
  box.clock.ahead += 24 * 3_600_000;
  const late = { session, sealed: key.seal(meter.record(1)) };
  t.strictSame(await meter.submit(late), [{ code: 'session-expired' }]);

  const chain = await ChainCopy.read(box.state.sockets.proof, box.policy);
  const keys = chain.all('session').map(({ entry }) => Buffer.from(entry.sessionKey).toString('hex'));
  for (const seed of sessionSeeds) {
    const { publicKey } = engine.keyFromSeed(seed);
    t.ok(keys.includes(Buffer.from(publicKey).toString('hex')), 'what is looked for are session keys in use');
  }

  const files = [...filesBelow(box.state.root), box.logFile];
  t.ok(readFileSync(box.logFile, 'utf8').includes('session opened'), 'the log tells of sessions');
  for (const seed of sessionSeeds) t.strictSame(filesWith(files, seed), [], 'no file holds a session secret');
  const identities = filesBelow(box.state.identityKeys);
  for (const path of [...identities, box.state.logKey, join(box.state.collector, 'collector.key')]) {
    const seed = fromPkcs8Pem(readFileSync(path, 'utf8'));
    t.strictSame(filesWith(files, seed), [path], 'a secret is in its own key file alone');
  }
});

/** The files in which a secret stands, raw or in one of the usual encodings. */
function filesWith(files: readonly string[], seed: Uint8Array): string[] {
  const bytes = Buffer.from(seed);
  const pem = toPkcs8Pem(seed).split('\n')[1]!;
  const encodings = ['hex', 'base64', 'base64url'] as const;
  const texts = encodings.map((encoding) => bytes.toString(encoding).replace(/=+$/, ''));
  return files.filter((path) => {
    const content = readFileSync(path);
    return content.includes(bytes) || [...texts, pem].some((text) => content.includes(text));
  });
}
