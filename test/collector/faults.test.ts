import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { Collector } from '@meterseal/node-red-meterseal/core';
import {
  concat,
  decodeSigned,
  fromBase64,
  isMetersealError,
  readAcknowledgement,
  toHex,
} from '@meterseal/protocol';
import type { Test } from 'tap';
import t from 'tap';
import type { CrashMode, FaultMode } from './memory-storage.js';
import { MemoryStorage } from './memory-storage.js';
import { SampleChain } from './sample-chain.js';
import { openSample, SampleClock } from './sample-collector.js';
import { collectorKey, SampleMeter } from './sample-meter.js';
import { SamplePlatform } from './sample-platform.js';

const meters = [new SampleMeter('EM-1', 1), new SampleMeter('EM-2', 2)] as const;
const [one, two] = meters;

async function open(collector: Collector, ...opened: readonly SampleMeter[]): Promise<undefined> {
  await collector.receiver.openings(opened.map((meter) => meter.opening()));
}

/** What a field sends, in order; each step may be sent again. */
const STEPS: readonly ((
  collector: Collector,
) => Promise<{ acknowledgements: readonly string[] } | undefined>)[] = [
  (collector) => open(collector, one),
  (collector) => collector.receiver.records(one.delivery(1, one.records(1, 2))),
  (collector) => open(collector, ...meters),
  (collector) =>
    collector.receiver.records(
      concat(one.delivery(1, one.records(1, 4), 2), two.delivery(1, two.records(1, 1))),
    ),
  (collector) => collector.receiver.gaps(two.gap(2, 3)),
  (collector) => collector.receiver.records(two.delivery(4, two.records(4, 6))),
  (collector) =>
    collector.receiver.records(one.delivery(1, one.records(1, 4), 1, [one.voidRecord(4, one.record(4))])),
];

type Word = { readonly subject: number; readonly first: number; readonly seq: number; readonly hash: string };

/** What the collector's key has said so far. */
function heard(answer: { acknowledgements: readonly string[] } | undefined): Word[] {
  return (answer?.acknowledgements ?? []).map((text) => {
    const { meter, first, seq, runningHash } = decodeSigned(fromBase64(text), readAcknowledgement).value;
    return { subject: meter.subject, first, seq, hash: toHex(runningHash) };
  });
}

/** Nothing that was acknowledged is forgotten: heights are as high, and every record below them is held. */
async function keepsItsWord(t: Tap, collector: Collector, words: readonly Word[]): Promise<void> {
  for (const { subject, first, seq, hash } of words) {
    const meter = meters[subject - 1]!;
    const state = await collector.receiver.state(meter.id);
    t.ok(state.seq >= seq && state.first >= first, `meter ${subject} is acknowledged to ${seq}`);
    if (state.seq === seq) t.equal(Buffer.from(state.runningHash, 'base64').toString('hex'), hash);
    const lies = collector.status().damage;
    t.strictSame(lies, []);
  }
}

type Tap = Test;

/** Sends what is left, as a field does that was not acknowledged. */
async function finish(collector: Collector, words: Word[]): Promise<void> {
  for (const step of STEPS) {
    try {
      words.push(...heard(await step(collector)));
    } catch (error) {
      // A delivery from before a gap is behind by now; all else must be taken again.
      if (!isMetersealError(error, 'statement-refused')) throw error;
    }
  }
}

async function everyFault(
  run: (
    fault: (storage: MemoryStorage) => void,
    mode: FaultMode,
    crash: CrashMode,
    at: number,
  ) => Promise<boolean>,
): Promise<number> {
  let runs = 0;
  for (const mode of ['not-applied', 'applied'] as const) {
    for (const crash of ['lost', 'kept', 'torn'] as const) {
      for (let at = 0; await run((storage) => storage.failAt(at, mode), mode, crash, at); at++) runs++;
    }
  }
  return runs;
}

t.test('whichever write fails, and the power with it, nothing acknowledged is lost', async (t) => {
  const runs = await everyFault(async (fault, mode, crash, at) => {
    const storage = new MemoryStorage();
    const dir = `${t.testdirName}/${mode}-${crash}-${at}`;
    await (await openSample({ dir, storage })).close();
    fault(storage);
    const words: Word[] = [];
    let collector: Collector | undefined;
    try {
      collector = await openSample({ dir, storage });
      for (const step of STEPS) words.push(...heard(await step(collector)));
    } catch (error) {
      t.ok(isMetersealError(error, 'commit-failed', 'file-unusable'), `${error}`);
    }
    const { hasFailed } = storage;
    if (collector !== undefined && hasFailed) {
      const failure = collector.status().failure;
      if (failure !== undefined) await t.rejects(STEPS[1]!(collector), 'and nothing more is accepted');
    }
    await collector?.close();
    storage.heal();
    storage.crash(crash);
    const again = await openSample({ dir, storage });
    await keepsItsWord(t, again, words);
    const more: Word[] = [...words];
    await finish(again, more);
    await keepsItsWord(t, again, more);
    await again.close();
    return hasFailed;
  });
  t.ok(runs > 100, `${runs} faults`);
});

t.test('whichever write fails in a comparison, the next one is right', async (t) => {
  const chain = new SampleChain();
  for (const meter of meters) {
    chain.enrol(meter);
    chain.anchorAll(chain.openSession(meter), 1, 4);
  }
  chain.close();
  const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
  t.teardown(() => platform.stop());
  const clock = new SampleClock();
  const policy = SampleChain.policyOf(chain);
  const runs = await everyFault(async (fault, mode, crash, at) => {
    const storage = new MemoryStorage();
    const dir = `${t.testdirName}/${mode}-${crash}-${at}`;
    // Each run is a collector of its own with the same key: the gate wants rising counters of it.
    clock.wall += 60_000;
    const open = (): Promise<Collector> => openSample({ dir, storage, clock, policy, port: platform.port });
    let collector = await open();
    await collector.receiver.openings(meters.map((meter) => meter.opening()));
    for (const meter of meters) await collector.receiver.records(meter.delivery(1, meter.records(1, 4)));
    t.equal((await collector.compare()).outcome, 'judged');
    fault(storage);
    let failed = false;
    try {
      const { outcome, counts } = await collector.compare();
      t.ok(outcome !== 'judged' || counts.verified === 8, `${outcome}`);
    } catch (error) {
      failed = true;
      t.ok(isMetersealError(error, 'commit-failed'), `${error}`);
    }
    t.notOk(platform.isConnected && !failed, 'the link is released');
    const { hasFailed } = storage;
    await collector.close();
    storage.heal();
    storage.crash(crash);
    // The gate's own limit has isolated by then.
    await platform.expire();
    clock.wall += 1_000;
    collector = await open();
    const result = await collector.compare();
    t.equal(result.outcome, 'judged', `${mode} ${crash} ${at}: ${result.why}`);
    t.strictSame(result.counts, { verified: 8, tampered: 0, unverifiable: 0 });
    t.strictSame(result.damage, []);
    await collector.close();
    return hasFailed;
  });
  t.ok(runs > 30, `${runs} faults`);
});

t.test(
  'records that were on the disk but never acknowledged are delivered again, and held once',
  async (t) => {
    const storage = new MemoryStorage();
    const dir = t.testdirName;
    const collector = await openSample({ dir, storage });
    await collector.receiver.openings([one.opening()]);
    // create deliveries… are open already: statement write, sync; record create, write, sync; height write.
    storage.failAt(5, 'not-applied');
    await t.rejects(collector.receiver.records(one.delivery(1, one.records(1, 3))), {
      code: 'commit-failed',
    });
    storage.heal();
    await collector.close();
    const again = await openSample({ dir, storage });
    t.strictSame((await again.receiver.state('EM-1')).seq, 0, 'the height is what counts');
    t.equal(again.status().records, 3);
    const answer = await again.receiver.records(one.delivery(1, one.records(1, 3)));
    t.strictSame(answer.conflicts, []);
    t.equal(again.status().records, 3);
    t.equal(heard(answer)[0]!.seq, 3);
    t.ok(crypto.name);
    await again.close();
  },
);
