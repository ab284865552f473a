import { javascriptEngine as engine } from '@meterseal/native';
import { toBase64 } from '@meterseal/protocol';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import t from 'tap';
import { ChainCopy } from './chain-copy.js';
import type { Authentication } from './direct-meter.js';
import { DirectMeter } from './direct-meter.js';
import { InnerBox } from './inner-box.js';
import { Line, METERS } from './line.js';

t.test('data is taken only from a meter that has proved possession of its identity key', async (t) => {
  const line = await Line.complete(t, 3);
  const { platform, state } = line;
  const meter = await DirectMeter.enrol(platform, state, 'EM-9');
  const { subject } = meter.ref;
  const stranger = engine.generateKey();
  /** The entry by which the chain tells of an authentication. */
  const entryOf = async ({ index }: Authentication) => (await line.chain()).entries[index!]!.entry;
  const expected = ({ result, reason, message }: Authentication) => {
    return { type: 'authentication', subject, result, reason, messageHash: engine.sha256(message) };
  };

  await t.test('an acceptance is on the chain', async (t) => {
    const good = await meter.authenticate();
    t.equal(good.result, 'accepted');
    t.match(await entryOf(good), expected(good));
  });

  await t.test('a wrong signature is rejected, and the rejection is on the chain', async (t) => {
    const bad = await meter.authenticate(undefined, stranger);
    t.match(bad, { result: 'rejected', reason: 'bad-signature' });
    t.match(await entryOf(bad), expected(bad));
  });

  await t.test('a challenge is good once, and for the meter that asked for it', async (t) => {
    const challenge = await meter.challenge();
    t.equal((await meter.authenticate(challenge)).result, 'accepted');
    const again = await meter.authenticate(challenge);
    t.match(again, { result: 'rejected', reason: 'challenge-unknown' });
    t.match(await entryOf(again), expected(again));
    const foreign = await meter.authenticate(await platform.challenge(METERS[0]!));
    t.match(foreign, { result: 'rejected', reason: 'challenge-unknown' });
    t.match(await entryOf(foreign), expected(foreign));
  });

  await t.test('an unknown meter is rejected, and the chain does not say which', async (t) => {
    const { challenge } = await platform.challenge('NOBODY');
    const signature = toBase64(stranger.sign(new Uint8Array(32)));
    const answer = await platform.authenticate({ meter: 'NOBODY', challenge, signature });
    t.match(answer, { result: 'rejected', reason: 'unknown-meter' });
    const { entry } = (await line.chain()).entries[answer.index!]!;
    t.match(entry, { type: 'authentication', subject: 0, result: 'rejected', reason: 'unknown-meter' });
  });

  await t.test('without an acceptance there is no session, and without a session no reading', async (t) => {
    const before = await line.chain();
    const rejected = await meter.authenticate(undefined, stranger);
    await t.rejects(meter.openSession(rejected), { code: 'authentication-unknown' });
    const never = before.all('session').length + 100;
    const sealed = engine.generateKey().seal(meter.record(1));
    t.strictSame(await meter.submit({ session: never, sealed }), [{ code: 'session-unknown' }]);
    const added = (await line.chain()).since(before).map(({ entry }) => entry.type);
    t.strictSame(added, ['authentication', 'block-close'], 'nothing else was appended');
  });

  await t.test('behind every reading of the line stands an acceptance of its meter', async (t) => {
    const chain = await line.chain();
    const sessions = new Map(chain.all('session').map(({ entry, index }) => [entry.seq, { entry, index }]));
    for (const { entry: reading, index } of chain.all('reading')) {
      const session = sessions.get(reading.session)!;
      const accepted = chain.entries[session.entry.authentication]!.entry;
      t.match(accepted, { type: 'authentication', subject: reading.subject, result: 'accepted' });
      t.ok(session.entry.authentication < session.index && session.index < index, 'in this order');
    }
    for (const id of METERS) t.equal(chain.all('reading', await line.subjectOf(id)).length, 3, id);
  });
});

t.test('a challenge ends after a minute of the platform', async (t) => {
  const box = await InnerBox.start(t, { mostReadings: 1 });
  await box.settled(1);
  const http = new HttpClient({ socketPath: box.state.sockets.platform }, 'the platform');
  t.teardown(() => http.close());
  const meter = await DirectMeter.enrol(new PlatformClient(http), box.state, 'EM-9');
  const challenges = [await meter.challenge(), await meter.challenge()];
  box.clock.ahead += 59_000;
  t.equal((await meter.authenticate(challenges[0])).result, 'accepted');
  box.clock.ahead += 1_000;
  const late = await meter.authenticate(challenges[1]);
  t.match(late, { result: 'rejected', reason: 'challenge-expired' });
  const chain = await ChainCopy.read(box.state.sockets.proof, box.policy);
  t.match(chain.entries[late.index!]!.entry, { result: 'rejected', reason: 'challenge-expired' });
});
