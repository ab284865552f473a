import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEngine } from '@meterseal/native';
import type { ReadingFrame } from '@meterseal/protocol';
import { encodeRecord, MAX_BATCH, toBase64Url } from '@meterseal/protocol';
import { enrol } from 'meterseal/internal/agent/enrolment';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { IdentityKeys } from 'meterseal/internal/agent/identity-keys';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { sealRecords } from 'meterseal/internal/agent/seal-records';
import { openSession, type Session } from 'meterseal/internal/agent/session';
import { addToRoster } from 'meterseal/internal/commands/roster';
import { readSecretLine } from 'meterseal/internal/config/secret-line';
import { createBox } from 'meterseal/internal/host/box';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import { PlainPipeline } from './plain-pipeline.js';
import { type PlatformFigures, startPlatform } from './platform-process.js';
import type { Benchmark } from './row.js';
import { median } from './row.js';

const PLATFORM_ID = 'meterseal.example/meterseal/bench';
/** Submissions under way at once, each of two meters of its own. */
const LANES = 4;
const METERS_PER_LANE = 2;
const BATCHES_PER_LANE = 24;
const READINGS = LANES * BATCHES_PER_LANE * MAX_BATCH;

type Lane = { readonly meters: { readonly id: string; readonly session: Session }[]; seq: number };

/**
 * Sealed readings through platform.sock: opened, checked, committed, receipted, in batches of 1,000. The seals are made
 * beforehand; whoever sends is in another process than the platform. The peer commits the same bytes, a row each.
 */
export const ingestBenchmark: Benchmark = {
  name: 'ingest',
  rounds: 5,
  prepare: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meterseal-ingest-'));
    const state = stateFolder(join(folder, 's'));
    prepareStateFolder(state);
    const { engine } = loadEngine();
    const platform = await startPlatform(state.root, PLATFORM_ID);
    const http = new HttpClient({ socketPath: state.sockets.platform }, 'the platform');
    const client = new PlatformClient(http);
    const store = await FieldStore.open(state.fieldDatabase);
    const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
    const keys = new IdentityKeys(state.identityKeys, engine);
    const tools = { platform: client, store, keys, engine, box: createBox(random), platformId: PLATFORM_ID };
    const lanes: Lane[] = [];
    for (let lane = 0; lane < LANES; lane++) {
      const meters = [];
      for (let i = 0; i < METERS_PER_LANE; i++) {
        const id = `BENCH-${lane}-${i}`;
        const codeFile = join(folder, `${id}.code`);
        addToRoster(state, { meter: id, holder: { name: id } }, codeFile);
        const code = (): string => readSecretLine(codeFile, 'code');
        const enrolled = await enrol({ meter: id, holder: { name: id }, code, keyOrigin: 'own' }, tools);
        meters.push({ id, session: await openSession(enrolled, tools) });
      }
      lanes.push({ meters, seq: 0 });
    }
    mkdirSync(join(folder, 'plain'));
    const plain = await PlainPipeline.start(join(folder, 'plain'));

    const figures: PlatformFigures[] = [];
    const ours = async (): Promise<number> => {
      const work = lanes.map((lane) => Array.from({ length: BATCHES_PER_LANE }, () => batchOf(lane)));
      await platform.figures();
      const started = performance.now();
      await Promise.all(
        work.map(async (batches) => {
          for (const batch of batches) {
            const { results } = await client.submit(batch);
            const odd = results.find(({ code }) => code !== 'accepted');
            if (odd !== undefined) throw new Error(`a good reading was answered ${odd.code}`);
          }
        }),
      );
      const took = performance.now() - started;
      figures.push(await platform.figures());
      return READINGS / (took / 1_000);
    };
    return {
      contests: [
        {
          name: 'ingest',
          unit: 'readings/s',
          better: 'more',
          ours: { name: 'meterseal', run: ours },
          peers: [
            {
              name: 'the same bytes in batches of 1,000, a row each in SQLite, nothing checked',
              run: () => plain.store(READINGS, MAX_BATCH, LANES),
            },
          ],
          note: () => {
            const [delay, first, last] = [
              median(figures.map(({ delayMs }) => delayMs)),
              figures[0]!.rssMiB,
              figures.at(-1)!.rssMiB,
            ];
            return `${LANES} batches of ${MAX_BATCH} under way; event loop p99 ${delay.toFixed(1)} ms; memory ${first.toFixed(0)} MiB after the first round, ${last.toFixed(0)} MiB after the last`;
          },
        },
      ],
      close: async () => {
        http.close();
        await store.close();
        await platform.stop();
        await plain.stop();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

/** The next readings of a lane's meters, sealed. */
function batchOf(lane: Lane): ReadingFrame[] {
  const each = MAX_BATCH / METERS_PER_LANE;
  const from = lane.seq + 1;
  lane.seq += each;
  return lane.meters.flatMap(({ id, session }) => {
    const records = Array.from({ length: each }, (_, i) => recordOf(id, from + i));
    return sealRecords(session.key, records).map((sealed) => ({ session: session.number, sealed }));
  });
}

function recordOf(meter: string, seq: number): Uint8Array {
  return encodeRecord({
    v: 0,
    meter,
    seq,
    time: new Date(Date.UTC(2026, 0, 1) + seq * 1_000).toISOString(),
    span: 40,
    clock: 'synchronised',
    identity: 'confirmed',
    profile: 'eastron/sdm630@0123456789abcdef',
    sw: 'meterseal/bench 0000000000000000',
    values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: `${10_000 + seq}.451` }],
    raw: [{ fc: 4, at: 72, words: seq.toString(16).padStart(8, '0') }],
    salt: toBase64Url(new Uint8Array(randomBytes(16))),
  });
}
