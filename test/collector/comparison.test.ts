import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { concat, decodeSigned, isSignedBy, openCheckpoint, readVerdict, toHex } from '@meterseal/protocol';
import t from 'tap';
import { SampleChain } from './sample-chain.js';
import { startBoth } from './sample-collector.js';
import { named } from './sample-line.js';
import { collectorKey, SampleMeter } from './sample-meter.js';

t.test('everything delivered and anchored is verified, and the link is released', async (t) => {
  const { collector, platform, chain } = await startBoth(t, t.testdir());
  const meters = [new SampleMeter('EM-1', 1), new SampleMeter('EM-2', 2)];
  await collector.receiver.openings(meters.map((meter) => meter.opening()));
  for (const meter of meters) {
    chain.enrol(meter);
    chain.anchorAll(chain.openSession(meter), 1, 30);
    chain.close();
    await collector.receiver.records(meter.delivery(1, meter.records(1, 20)));
    await collector.receiver.records(meter.delivery(1, meter.records(1, 30), 10));
  }
  const result = await collector.compare();
  t.equal(result.outcome, 'judged', `${result.why}`);
  t.strictSame(result.counts, { verified: 60, tampered: 0, unverifiable: 0 });
  t.strictSame(result.findings, []);
  t.equal(result.readings, 60);
  t.equal(result.chain?.size, chain.size);
  t.equal(toHex(result.chain!.root), toHex(chain.root(chain.size)));
  t.ok(result.windowMs > 0 && result.windowMs <= result.totalMs);
  t.ok(result.released);
  t.notOk(platform.isConnected);
  t.equal(platform.leasesLeft, 0);
  const counters = platform.requests.map(({ counter }) => counter);
  t.strictSame(
    counters,
    [...counters].sort((a, b) => a - b),
    'lease counters rise',
  );
});

t.test('the verdict is signed, kept, and sent in the next window, once', async (t) => {
  const { collector, platform, chain, reopen } = await startBoth(t, t.testdir());
  const meter = new SampleMeter('EM-1', 1);
  chain.enrol(meter);
  chain.anchorAll(chain.openSession(meter), 1, 3);
  chain.close();
  await collector.receiver.openings([meter.opening()]);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 2)));
  const first = await collector.compare();
  t.strictSame(named(first), ['EM-1 3 not-yet-received']);
  t.equal(platform.verdicts.length, 0);
  const again = await reopen();
  t.equal(again.status().unsentVerdicts, 1);
  const second = await again.compare();
  t.equal(second.verdictsSent, 1);
  t.equal(platform.verdicts.length, 1);
  const signed = decodeSigned(platform.verdicts[0]!, readVerdict);
  t.ok(isSignedBy(crypto, collectorKey.publicKey, signed));
  t.equal(signed.value.size, first.chain!.size);
  t.strictSame(signed.value.findings, [{ subject: 1, seq: 3, reason: 'not-yet-received' }]);
  t.strictSame([signed.value.verified, signed.value.tampered, signed.value.unverifiable], [2, 0, 1]);
  t.equal(toHex(signed.value.lease), toHex(first.lease));
});

t.test(
  'a verdict that the platform will not take now waits; one that it never takes makes way',
  async (t) => {
    const { collector, platform } = await startBoth(t, t.testdir());
    await collector.compare();
    platform.patches = { verdicts: 429 };
    t.equal((await collector.compare()).verdictsSent, 0);
    t.equal(collector.status().unsentVerdicts, 2);
    platform.patches = { verdicts: 400 };
    t.equal((await collector.compare()).verdictsSent, 0);
    t.equal(collector.status().unsentVerdicts, 1, 'only the one of this comparison is left');
  },
);

t.test('only what is new is fetched', async (t) => {
  const { collector, platform, chain } = await startBoth(t, t.testdir());
  await collector.compare();
  platform.paths.length = 0;
  const size = chain.size;
  const asked: number[] = [];
  platform.patches = {
    entries: (_chain, from) => {
      asked.push(from);
      return undefined;
    },
  };
  t.equal((await collector.compare()).outcome, 'judged');
  t.strictSame(asked, [size]);
  t.match(platform.paths.join(), /GET \/consistency/);
});

t.test('a chain of more than one request of entries is put together in order', async (t) => {
  const { collector, chain } = await startBoth(t, t.testdir());
  const meter = new SampleMeter('EM-1', 1);
  chain.enrol(meter);
  const session = chain.openSession(meter);
  const hash = new Uint8Array(32);
  const sealSignature = session.key.sign(hash);
  for (let seq = 1; seq <= 20_000; seq++) chain.anchor(session, seq, hash, { hash, sealSignature });
  chain.close();
  await collector.receiver.openings([meter.opening()]);
  const result = await collector.compare();
  t.equal(result.outcome, 'judged', `${result.why}`);
  t.strictSame(result.counts, { verified: 0, tampered: 0, unverifiable: 20_000 });
  t.equal(result.findings.length, 10_000, 'the list is bounded, the counts are not');
});

t.test('how a lease is not had', async (t) => {
  const { collector, platform } = await startBoth(t, t.testdir(), new SampleChain(), { maxWindow: 400 });
  for (const [answer, outcome] of [
    ['refused', 'link-denied'],
    ['busy', 'link-denied'],
    ['fault', 'link-fault'],
    ['close', 'link-denied'],
    ['garbage', 'link-fault'],
    ['other-lease', 'link-fault'],
    ['silence', 'platform-unreachable'],
  ] as const) {
    platform.patches = { lease: ({ action }) => (action === 'connect' ? answer : undefined) };
    const result = await collector.compare();
    t.equal(result.outcome, outcome, answer);
    t.equal(result.windowMs, 0, answer);
    t.equal(result.chain, null);
    if (!['refused', 'busy', 'close'].includes(answer))
      t.equal(platform.requests.at(-1)!.action, 'release', answer);
  }
  t.notOk(platform.isConnected);
});

t.test('a gate that is not there, or does not know the key, is an outcome and no exception', async (t) => {
  const { collector, platform } = await startBoth(t, t.testdir());
  await platform.stop();
  t.equal((await collector.compare()).outcome, 'platform-unreachable');
});

t.test(
  'a switch that is at fault when it is released voids the comparison; the next one judges',
  async (t) => {
    const { collector, platform, chain } = await startBoth(t, t.testdir());
    const meter = new SampleMeter('EM-1', 1);
    chain.enrol(meter);
    chain.anchorAll(chain.openSession(meter), 1, 3);
    chain.close();
    await collector.receiver.openings([meter.opening()]);
    await collector.receiver.records(meter.delivery(1, meter.records(1, 3)));
    platform.patches = { lease: ({ action }) => (action === 'release' ? 'fault' : undefined) };
    const { outcome, why, counts, released } = await collector.compare();
    t.match({ outcome, why, counts, released }, { outcome: 'link-fault', why: /at fault/, released: false });
    t.equal(counts.verified, 0, 'nothing of it counts');
    platform.patches = {};
    t.match(await collector.compare(), {
      outcome: 'judged',
      counts: { verified: 3 },
      released: true,
      switch: { driver: 'process', grade: 0 },
    });
  },
);

t.test('whatever breaks in the window, the lease is released and nothing is judged', async (t) => {
  const dir = t.testdir();
  const { collector, platform, chain } = await startBoth(t, dir, new SampleChain(), { maxWindow: 2_000 });
  const meter = new SampleMeter('EM-1', 1);
  chain.enrol(meter);
  chain.anchorAll(chain.openSession(meter), 1, 5);
  chain.close();
  await collector.receiver.openings([meter.opening()]);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 5)));
  t.equal((await collector.compare()).outcome, 'judged');
  const kept = collector.status().chain!.size;
  const shorter = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, bytes.length - 1);
  const all = (part: SampleChain, from: number, to: number): Uint8Array =>
    concat(
      ...part.entries
        .slice(from, to)
        .map((entry) => concat(Uint8Array.of(entry.length >> 8, entry.length & 255), entry)),
    );
  for (const [what, patches, outcome] of [
    ['no checkpoint', { hangUpAt: '/checkpoint' }, 'platform-unreachable'],
    ['no consistency proof', { hangUpAt: '/consistency' }, 'platform-unreachable'],
    ['no entries', { hangUpAt: '/entries' }, 'platform-unreachable'],
    ['a checkpoint that is none', { checkpoint: () => 'hello\n' }, 'history-unproven'],
    ['a checkpoint that is too long', { checkpoint: () => 'x'.repeat(40_000) }, 'history-unproven'],
    ['a checkpoint beyond every limit', { checkpoint: () => 'x'.repeat(4_000_000) }, 'bad-entries'],
    ['a proof that is no hashes', { consistency: () => new Uint8Array(31) }, 'history-unproven'],
    [
      'entries that end early',
      { entries: (c: SampleChain, a: number, b: number) => shorter(all(c, a, b)) },
      'bad-entries',
    ],
    [
      'one entry too few',
      { entries: (c: SampleChain, a: number, b: number) => all(c, a, b - 1) },
      'bad-entries',
    ],
    [
      'one entry too many',
      { entries: (c: SampleChain, a: number, b: number) => all(c, a - 1, b) },
      'bad-entries',
    ],
    ['no bytes', { entries: () => new Uint8Array(0) }, 'bad-entries'],
  ] as const) {
    platform.patches = patches;
    const result = await collector.compare();
    t.equal(result.outcome, outcome, `${what}: ${result.why}`);
    t.ok(result.released, what);
    t.notOk(platform.isConnected, what);
    t.strictSame(result.counts, { verified: 0, tampered: 0, unverifiable: 5 }, what);
    t.equal(collector.status().chain!.size, kept, what);
  }
  platform.patches = {};
  t.strictSame((await collector.compare()).counts, { verified: 5, tampered: 0, unverifiable: 0 });
  t.equal(platform.leasesLeft, 0);
});

t.test(
  'entries that were changed on the way are bad entries, and the next comparison is good again',
  async (t) => {
    const { collector, platform, chain } = await startBoth(t, t.testdir());
    await collector.compare();
    platform.patches = {
      entries: (part, from, to) => {
        const entries = part.entries.slice(from, to).map((entry) => entry.slice());
        entries[0]![12] = entries[0]![12]! ^ 1;
        return concat(
          ...entries.map((entry) => concat(Uint8Array.of(entry.length >> 8, entry.length & 255), entry)),
        );
      },
    };
    t.equal((await collector.compare()).outcome, 'bad-entries');
    platform.patches = {};
    const result = await collector.compare();
    t.equal(result.outcome, 'judged', `${result.why}`);
    t.equal(result.chain?.size, chain.size);
  },
);

t.test(
  'a frozen checkpoint is stale, whether it is the last one or newer but older than the lease',
  async (t) => {
    const { collector, platform, chain } = await startBoth(t, t.testdir());
    await collector.compare();
    const old = chain.note;
    platform.patches = { checkpoint: () => old };
    const same = await collector.compare();
    t.equal(same.outcome, 'stale-checkpoint');
    t.equal(same.chain, null);
    platform.patches = {
      connecting: (part) => {
        part.add({ type: 'event', subject: 0, seq: 1, time: part.time, event: { kind: 'boot' } });
        part.close();
      },
    };
    const newer = await collector.compare();
    t.equal(newer.outcome, 'stale-checkpoint');
    t.strictSame(newer.findings, []);
    platform.patches = {
      connecting: (part, { lease }) => {
        part.connecting(lease, keyless, 99);
        part.close();
      },
    };
    t.equal((await collector.compare()).outcome, 'stale-checkpoint', 'connecting for another collector');
  },
);

const keyless = new SampleMeter('X', 9).identity.publicKey;

t.test('a rewritten history is found out, and both signed heads are kept', async (t) => {
  const dir = t.testdir();
  const { collector, platform, chain } = await startBoth(t, dir);
  const meter = new SampleMeter('EM-1', 1);
  chain.enrol(meter);
  chain.anchorAll(chain.openSession(meter), 1, 5);
  chain.close();
  await collector.receiver.openings([meter.opening()]);
  await collector.receiver.records(meter.delivery(1, meter.records(1, 5)));
  t.equal((await collector.compare()).outcome, 'judged');
  const ours = { note: chain.note, size: chain.size };

  const forked = new SampleChain();
  forked.enrol(meter);
  const session = forked.openSession(meter);
  for (let seq = 1; seq <= 5; seq++) forked.anchor(session, seq, meter.record(seq, '0.1'));
  while (forked.entries.length < ours.size - 1) {
    forked.add({
      type: 'event',
      subject: 0,
      seq: forked.entries.length,
      time: forked.time,
      event: { kind: 'boot' },
    });
  }
  forked.close();
  t.equal(forked.size, ours.size);
  platform.chain.current = forked;
  const committed = { note: forked.note };
  platform.patches = { checkpoint: () => committed.note };
  const equal = await collector.compare();
  t.equal(equal.outcome, 'history-rewritten', `${equal.why}`);
  const evidence = JSON.parse(readFileSync(equal.evidence!, 'utf8'));
  for (const note of [evidence.kept, evidence.shown]) {
    t.equal(openCheckpoint(crypto, SampleChain.policyOf(chain), note).checkpoint.size, ours.size);
  }
  t.not(evidence.kept, evidence.shown);

  platform.patches = {};
  const larger = await collector.compare();
  t.equal(larger.outcome, 'history-unproven', `${larger.why}`);
  t.ok(larger.evidence);

  const shorter = new SampleChain();
  shorter.add({ type: 'event', subject: 0, seq: 1, time: shorter.time, event: { kind: 'boot' } });
  shorter.close();
  platform.patches = { checkpoint: () => shorter.note };
  t.equal((await collector.compare()).outcome, 'history-rewritten', 'a smaller tree with another root');
  t.equal(readdirSync(join(dir, 'evidence')).length, 3);
  t.equal(platform.leasesLeft, 0);

  platform.chain.current = chain;
  platform.patches = {};
  t.strictSame((await collector.compare()).counts, { verified: 5, tampered: 0, unverifiable: 0 });
});

t.test('a checkpoint of a log that the policy does not name is not believed', async (t) => {
  const { collector, platform } = await startBoth(t, t.testdir());
  platform.chain.current = new SampleChain(2);
  const result = await collector.compare();
  t.equal(result.outcome, 'history-unproven');
  t.equal(result.evidence, undefined, 'what the platform did not sign is evidence of nothing');
});

t.test('two comparisons at once are refused, and after closing there are none', async (t) => {
  const { collector } = await startBoth(t, t.testdir());
  const running = collector.compare();
  await t.rejects(collector.compare(), { code: 'busy' });
  t.equal((await running).outcome, 'judged');
  await collector.close();
  await t.rejects(collector.compare(), { code: 'stopped' });
});
