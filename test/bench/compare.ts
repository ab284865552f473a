import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '@meterseal/native';
import { loadEngine } from '@meterseal/native';
import type { Collector, CompareOptions } from '@meterseal/node-red-meterseal/core';
import { Spool } from '@meterseal/node-red-meterseal/internal/spool/spool';
import { nodeStorage } from '@meterseal/node-red-meterseal/internal/storage/node-storage';
import { startBox } from './box-process.js';
import type { Site } from './compare-site.js';
import { changeOneReading, METERS, prepareSite, siteIn } from './compare-site.js';
import { fillHashes, HashServer } from './hash-server.js';
import type { Benchmark, Contest } from './row.js';
import { median } from './row.js';

const CYCLES = 10_000;
const READINGS = CYCLES * METERS;
/** Hashes that a peer asks for at once. */
const RANGE = 4_000;
const IN_FLIGHT = 32;
/** Readings that are asked for one by one; the time is scaled to all. */
const ASKED = 20_000;

/**
 * Finds the one reading of a million that was changed on the collector's disk. Ours is the collector as it is, against a box
 * in another process: window, mirror, roots, judging, signed verdict. Both peers read and hash what is held as ours does,
 * and ask a server in another process for the hashes: one by one, or in ranges. They have no mirror, no root and no proof.
 *
 * @param kept folder where a site is found again; without it one is made, which takes minutes, and removed
 */
export function compareBenchmark(kept: string | undefined): Benchmark {
  return { name: 'compare', rounds: 5, prepare: () => prepare(kept) };
}

async function prepare(
  kept: string | undefined,
): Promise<{ contests: Contest[]; close: () => Promise<void> }> {
  const { engine } = loadEngine();
  const folder = kept ?? mkdtempSync(join(tmpdir(), 'meterseal-compare-'));
  const site = await siteAt(folder, engine);
  const hashes = join(folder, 'hashes.db');
  await fillHashes(hashes, site.state.chainDatabase);
  const box = await startBox(site.state);
  const server = await HashServer.start(hashes, IN_FLIGHT);
  const spool = await Spool.open(nodeStorage, join(site.state.collector, 'spool'), engine, 64 * 1024 * 1024);

  const windows = new Map<string, number[]>();
  let collector: Collector | undefined;
  const ours = async (name: string, options: CompareOptions, isFirst: boolean): Promise<number> => {
    if (isFirst) {
      await collector?.close();
      rmSync(join(site.state.collector, 'mirror'), { recursive: true, force: true });
      collector = await site.openCollector(box.control);
    }
    const started = performance.now();
    const { outcome, why, counts, windowMs } = await collector!.compare(options);
    const took = performance.now() - started;
    if (outcome !== 'judged' || counts.tampered !== 1)
      throw new Error(`${name}: ${outcome} ${why} ${counts.tampered}`);
    windows.set(name, [...(windows.get(name) ?? []), windowMs]);
    return took;
  };
  const peers = [
    { name: `ranges of ${RANGE} raw hashes`, run: () => byRanges(site, spool, server) },
    { name: `row by row, ${IN_FLIGHT} in flight (scaled)`, run: () => oneByOne(site, spool, server) },
  ];
  const contest = (name: string, options: CompareOptions, isFirst: boolean, what: string): Contest => ({
    name,
    unit: 'ms',
    better: 'less',
    ours: { name: 'meterseal', run: () => ours(name, options, isFirst) },
    peers: isFirst ? peers : peers.slice(0, 1),
    note: () =>
      `${READINGS.toLocaleString('en-US')} readings, one changed; ${what}; connected for ${median(windows.get(name)!).toFixed(0)} ms`,
  });
  return {
    contests: [
      contest('compare-first', {}, true, 'nothing mirrored yet, every entry is fetched'),
      contest('compare', {}, false, 'the mirror is kept, everything is read, hashed and judged again'),
      contest('compare-new', { scope: 'new' }, false, 'nothing is new'),
    ],
    close: async () => {
      await collector?.close();
      await spool.close();
      await server.stop();
      await box.stop();
      if (kept === undefined) rmSync(folder, { recursive: true });
    },
  };
}

async function siteAt(folder: string, engine: Engine): Promise<Site> {
  if (existsSync(join(folder, 's'))) return siteIn(folder, engine, READINGS);
  const site = await prepareSite(folder, engine, CYCLES);
  changeOneReading(site);
  return site;
}

/** Every meter's hashes in ranges, while what is held is read. */
async function byRanges({ readings }: Site, spool: Spool, server: HashServer): Promise<number> {
  const started = performance.now();
  const cycles = readings / METERS;
  const wanted = Array.from({ length: METERS }, (_, i) => i + 1).flatMap((subject) =>
    Array.from({ length: Math.ceil(cycles / RANGE) }, (_, k) => ({ subject, from: k * RANGE + 1 })),
  );
  const fetched = Promise.all(
    wanted.map(async ({ subject, from }) => {
      const to = Math.min(from + RANGE, cycles + 1);
      return { subject, from, hashes: await server.hashes(subject, from, to) };
    }),
  );
  const held = await spool.reread();
  let differing = 0;
  for (const { subject, from, hashes } of await fetched) {
    const rows = held.rowsOfMeter(`BENCH-${subject}`)!;
    for (let at = 0; at < hashes.length; at += 32) {
      const row = rows.firstRow(from + at / 32);
      if (hashes.compare(held.hashes.at(row), 0, 32, at, at + 32) !== 0) differing++;
    }
  }
  const took = performance.now() - started;
  if (differing !== 1) throw new Error(`${differing} readings differ`);
  return took;
}

async function oneByOne({ readings }: Site, spool: Spool, server: HashServer): Promise<number> {
  const reading = performance.now();
  const held = await spool.reread();
  const read = performance.now() - reading;
  const cycles = readings / METERS;
  const step = readings / ASKED;
  let next = 0;
  const started = performance.now();
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      for (;;) {
        const i = next;
        next += step;
        if (i >= readings) return;
        const subject = Math.floor(i / cycles) + 1;
        const seq = (i % cycles) + 1;
        const hash = await server.hashes(subject, seq, seq + 1);
        held.rowsOfMeter(`BENCH-${subject}`)!.firstRow(seq);
        if (hash.length !== 32) throw new Error(`no hash of ${subject} ${seq}`);
      }
    }),
  );
  return read + (performance.now() - started) * step;
}
