import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { MetersealError, openCheckpoint, parseCheckpoint, parseNote } from '@meterseal/protocol';
import type { Chain } from 'meterseal/internal/chain/commit';
import type { Test } from 'tap';
import t from 'tap';
import { addEvents, ChainBench, withCommit } from './chain-bench.js';
import { engine } from './test-box.js';

const sizeOf = (note: string): number => parseCheckpoint(parseNote(note).text).size;

t.test(
  'jobs that wait share one block, and each gets its own result and a checkpoint that covers it',
  async (t) => {
    const bench = new ChainBench(t);
    const chain = await bench.open();
    const { height, size } = chain.published;
    const answers = await Promise.all([addEvents(chain, 1), addEvents(chain, 2), addEvents(chain, 3)]);
    t.same(
      answers.map(({ result }) => result),
      [[size], [size + 1, size + 2], [size + 3, size + 4, size + 5]],
    );
    t.equal(chain.published.height, height + 1);
    for (const { note } of answers) {
      const { checkpoint } = openCheckpoint(engine, bench.policyOf(chain), note);
      t.equal(checkpoint.size, size + 7);
    }
    t.same(await bench.findings(chain), []);
  },
);

t.test('jobs that arrive during a commit go into the next block', async (t) => {
  const bench = new ChainBench(t);
  let release = () => {};
  let entered = () => {};
  const inside = new Promise<void>((resolve) => {
    entered = resolve;
  });
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  let commits = 0;
  const chain = await bench.open((store) =>
    withCommit(store, async (write) => {
      if (++commits === 2) {
        entered();
        await gate;
      }
      await store.commit(write);
    }),
  );
  const first = addEvents(chain, 1);
  await inside;
  const others = [addEvents(chain, 1), addEvents(chain, 1)];
  release();
  const heights = [first, ...others].map(async (answer) => sizeOf((await answer).note));
  const [a, b, c] = await Promise.all(heights);
  t.ok(b! > a!);
  t.equal(b, c);
  t.same(await bench.findings(chain), []);
});

t.test('a job that refuses adds nothing and holds up nobody', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const { size } = chain.published;
  const refused = chain.append(() => {
    throw new MetersealError('conflict', "couldn't do it");
  });
  const good = addEvents(chain, 1);
  await t.rejects(refused, { code: 'conflict' });
  t.same((await good).result, [size]);
});

t.test('a look at the state makes no block', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const { height } = chain.published;
  const { result, note } = await chain.append((draft) => draft.state.height);
  t.equal(result, height);
  t.equal(note, chain.published.note);
  t.equal(chain.published.height, height);
});

t.test('a look waits for the commit of what it saw', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const [added, seen] = await Promise.all([
    addEvents(chain, 1),
    chain.append((draft) => draft.state.lastEvent),
  ]);
  t.equal(seen.note, added.note);
  t.equal(seen.result, 2);
});

t.test('a job that throws after it has added ends the chain: its half cannot be taken back', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const half = chain.append((draft) => {
    draft.addEvent({ kind: 'fault' });
    throw new Error('half way');
  });
  await t.rejects(half, { code: 'commit-failed' });
  t.match(await chain.failed, { code: 'commit-failed' });
  await bench.kill();
  t.same(await bench.findings(await bench.open()), []);
});

/** What was published must be in the reopened chain, and nothing else was told to anybody. */
async function expectNothingLost(t: Test, bench: ChainBench, published: string): Promise<Chain> {
  t.equal(readFileSync(bench.state.checkpoint, 'utf8'), published, 'nothing was published');
  await bench.kill();
  const reopened = await bench.open();
  const { size, root } = parseCheckpoint(parseNote(published).text);
  t.same(await reopened.tree.rootAt(size), root);
  t.same(await bench.findings(reopened), []);
  return reopened;
}

t.test(
  'a write that is not applied and reported failed: fatal, nothing published, nothing lost',
  async (t) => {
    const bench = new ChainBench(t);
    let commits = 0;
    const chain = await bench.open((store) =>
      withCommit(store, async (write) => {
        if (++commits > 1) throw new MetersealError('file-unusable', "couldn't use database: SQLITE_IOERR");
        await store.commit(write);
      }),
    );
    const { note, size } = chain.published;
    const waiting = [addEvents(chain, 1), addEvents(chain, 1)];
    for (const answer of waiting) await t.rejects(answer, { code: 'commit-failed' });
    t.match(await chain.failed, { code: 'commit-failed' });
    await t.rejects(addEvents(chain, 1), { code: 'commit-failed' }, 'never again on this handle');
    t.equal(commits, 2, 'and no second try');
    t.equal(chain.published.note, note);
    await expectNothingLost(t, bench, note);
    t.equal((await bench.open()).published.size > size, true);
  },
);

t.test(
  'a write that is applied but reported failed: fatal, unpublished, and there after the next start',
  async (t) => {
    const bench = new ChainBench(t);
    let commits = 0;
    const chain = await bench.open((store) =>
      withCommit(store, async (write) => {
        await store.commit(write);
        if (++commits > 1)
          throw new MetersealError('file-unusable', "couldn't use database: SQLITE_IOERR_FSYNC");
      }),
    );
    const { note, size } = chain.published;
    await t.rejects(addEvents(chain, 3), { code: 'commit-failed' });
    t.equal(chain.published.note, note);
    await expectNothingLost(t, bench, note);
    const reopened = await bench.open();
    t.ok(reopened.published.size >= size + 4, 'the block that nobody was told of is part of the chain');
  },
);

t.test('a write that is applied wrongly is found out by reading back', async (t) => {
  const bench = new ChainBench(t);
  let commits = 0;
  const chain = await bench.open((store) =>
    withCommit(store, async (write) => {
      const entries = write.block.entries.slice();
      if (++commits > 1) entries[entries.length - 1]! ^= 1;
      await store.commit({ ...write, block: { ...write.block, entries } });
    }),
  );
  const { note } = chain.published;
  await t.rejects(addEvents(chain, 1), { code: 'commit-failed', message: /read back/ });
  t.equal(readFileSync(bench.state.checkpoint, 'utf8'), note);
  await bench.kill();
  await t.rejects(bench.open(), { code: 'chain-damaged' });
});

t.test('a write that is reported done but is not there is found out by reading back', async (t) => {
  const bench = new ChainBench(t);
  let commits = 0;
  const chain = await bench.open((store) =>
    withCommit(store, async (write) => {
      if (++commits === 1) await store.commit(write);
    }),
  );
  const { note } = chain.published;
  await t.rejects(addEvents(chain, 1), { code: 'commit-failed', message: /read back/ });
  await expectNothingLost(t, bench, note);
});

t.test('a full disk has its own code', async (t) => {
  const bench = new ChainBench(t);
  let commits = 0;
  const chain = await bench.open((store) =>
    withCommit(store, async (write) => {
      if (++commits > 1) throw new MetersealError('disk-full', "couldn't write database");
      await store.commit(write);
    }),
  );
  await t.rejects(addEvents(chain, 1), { code: 'disk-full' });
  t.match(await chain.failed, { code: 'disk-full' });
});

t.test('killed between the transaction and the publication: the next start publishes, once', async (t) => {
  const bench = new ChainBench(t);
  let commits = 0;
  let committed = () => {};
  const afterCommit = new Promise<void>((resolve) => {
    committed = resolve;
  });
  const chain = await bench.open((store) =>
    withCommit(store, async (write) => {
      await store.commit(write);
      if (++commits > 1) {
        committed();
        await new Promise(() => {});
      }
    }),
  );
  const { note, size } = chain.published;
  void addEvents(chain, 2).catch(() => {});
  await afterCommit;
  const reopened = await expectNothingLost(t, bench, note);
  t.ok(reopened.published.size > size + 3);
  t.equal(readFileSync(bench.state.checkpoint, 'utf8'), reopened.published.note);
});

t.test('a chain that a witness has overtaken signs nothing, not even what is under way', async (t) => {
  const bench = new ChainBench(t);
  let fail = () => {};
  const chain = await bench.open((store) =>
    withCommit(store, async (write) => {
      await store.commit(write);
      fail();
    }),
  );
  const { note } = chain.published;
  fail = () => chain.fail(new MetersealError('behind-witness', "couldn't continue chain"));
  await t.rejects(addEvents(chain, 1), { code: 'behind-witness' });
  t.equal(chain.published.note, note);
  t.equal(readFileSync(bench.state.checkpoint, 'utf8'), note);
});

t.test('a checkpoint that cannot be published ends the chain, and the block stays', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const { size } = chain.published;
  mkdirSync(`${bench.state.checkpoint}.new`);
  await t.rejects(addEvents(chain, 1), { code: 'commit-failed' });
  t.match(await chain.failed, { code: 'commit-failed' });
  await bench.kill();
  rmdirSync(`${bench.state.checkpoint}.new`);
  const reopened = await bench.open();
  t.equal(reopened.published.size, size + 4);
  t.same(await bench.findings(reopened), []);
});

t.test('stopping finishes the commits under way and takes no more', async (t) => {
  const bench = new ChainBench(t);
  const chain = await bench.open();
  const last = addEvents(chain, 1);
  const stopped = chain.stop();
  await t.rejects(addEvents(chain, 1), { code: 'stopped' });
  t.equal((await last).result.length, 1);
  await stopped;
  t.ok(existsSync(bench.state.checkpoint));
});

t.test('invariants hold after every commit, across the borders of tiles', async (t) => {
  const bench = new ChainBench(t);
  let chain = await bench.open();
  for (const n of [1, 250, 255, 256, 257, 511, 3, 4000]) {
    await addEvents(chain, n);
    t.same(await bench.findings(chain), [], `${chain.published.size} entries`);
  }
  const { size, root } = chain.published;
  await bench.close();
  chain = await bench.open();
  t.same(await chain.tree.rootAt(size), root, 'recovery comes to the same root');
  t.same(await bench.findings(chain), []);
});
