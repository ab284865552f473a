import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadEngine } from '@meterseal/native';
import type { RecordValue } from '@meterseal/protocol';
import { fromBase64 } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { IdentityKeys } from 'meterseal/internal/agent/identity-keys';
import type { MeterAgent } from 'meterseal/internal/agent/meter-agent';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { startChain } from 'meterseal/internal/chain/role';
import { addToRoster } from 'meterseal/internal/commands/roster';
import { readSecretLine } from 'meterseal/internal/config/secret-line';
import { CollectorClient } from 'meterseal/internal/delivery/collector-client';
import { FieldCore } from 'meterseal/internal/field/core';
import { createBox } from 'meterseal/internal/host/box';
import { systemClock } from 'meterseal/internal/host/clock';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import { writeFileAtomically } from 'meterseal/internal/host/private-file';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';
import { startCollector } from './collector-process.js';
import { PlainPipeline } from './plain-pipeline.js';
import type { Benchmark } from './row.js';

const METERS = 32;
const READINGS = 6_400;
const PLATFORM_ID = 'meterseal.example/meterseal/bench';

/** What an SDM120 gives: 13 values. */
const VALUES: readonly RecordValue[] = Array.from({ length: 13 }, (_, i) => ({
  obis: `1-0:${i + 1}.8.0`,
  unit: 'kWh',
  value: `${26_924 + i}.451`,
}));

/**
 * Readings per second through the whole line of one box: recorded and committed, sealed, opened, on the chain with its
 * receipt noted, and at a collector in another process with its signed acknowledgement noted. The peer does what is done
 * without meterseal: commit, send, commit, acknowledge; nothing is hashed, sealed, signed or verified.
 */
export const lineBenchmark: Benchmark = {
  name: 'line',
  rounds: 5,
  prepare: async () => {
    const folder = mkdtempSync(join(tmpdir(), 'meterseal-line-'));
    const state = stateFolder(join(folder, 's'));
    prepareStateFolder(state);
    const { engine } = loadEngine();
    const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
    const common = {
      clock: systemClock,
      random,
      log: createLogger('error'),
      platformId: PLATFORM_ID,
      engine,
    };
    const collectorFolder = join(folder, 'c');
    const token = join(folder, 'token');
    writeFileAtomically(token, `${randomBytes(24).toString('base64url')}\n`, 0o600);

    const collector = await startCollector({ dir: collectorFolder, platformId: PLATFORM_ID, token, state });
    const chain = await startChain({
      ...common,
      stateDir: state.root,
      collectorKeys: [fromBase64(collector.key)],
      session: { lifeMs: 86_400_000, readings: 1_000_000 },
      sockets: state.sockets,
    });
    await collector.listen();
    const store = await FieldStore.open(state.fieldDatabase);
    const platform = new HttpClient({ socketPath: state.sockets.platform }, 'the platform');
    const receiver = new HttpClient(
      { url: collector.url, token: readSecretLine(token, 'token') },
      'the collector',
    );
    const core = new FieldCore({
      ...common,
      store,
      keys: new IdentityKeys(state.identityKeys, engine),
      platform: new PlatformClient(platform),
      box: createBox(random),
      software: 'meterseal/bench 0000000000000000',
      synchronised: () => true,
      sessionUse: 'reused',
    });
    core.addCollector(fromBase64(collector.key), new CollectorClient(receiver));
    const agents: MeterAgent[] = [];
    for (let i = 1; i <= METERS; i++) {
      const meter = `BENCH-${i}`;
      const codeFile = join(folder, `${meter}.code`);
      addToRoster(state, { meter, holder: { name: meter } }, codeFile);
      const data = {
        meter,
        holder: { name: meter },
        code: () => readSecretLine(codeFile, 'code'),
        keyOrigin: 'own' as const,
      };
      agents.push(core.addMeter(data, 'eastron/sdm120@0123456789abcdef'));
    }
    await core.start();
    await until(async () => agents.every(({ enrolled }) => enrolled !== undefined));
    const plain = await PlainPipeline.start(folder);

    let sent = 0;
    const ours = async (): Promise<number> => {
      const started = performance.now();
      sent += READINGS / METERS;
      await Promise.all(
        agents.map(async (agent) => {
          for (let i = 0; i < READINGS / METERS; i++) {
            const now = Date.now();
            await core.record(agent, { startedAt: now - 30, endedAt: now, values: VALUES, raw: [] });
          }
        }),
      );
      await until(async () => {
        for (const { enrolled } of agents) {
          const row = (await store.findMeter(enrolled!.meter.id))!;
          const [acknowledged = 0] = await core.acknowledgedTo(row.number);
          if (row.anchoredTo < sent || acknowledged < sent) return false;
        }
        return true;
      });
      return READINGS / ((performance.now() - started) / 1_000);
    };
    const peer = 'commit, send, commit, acknowledge: nothing sealed';
    return {
      contests: [
        {
          name: 'line',
          unit: 'readings/s',
          better: 'more',
          ours: { name: 'meterseal', run: ours },
          peers: [{ name: peer, run: () => plain.run(READINGS, VALUES) }],
        },
      ],
      close: async () => {
        await core.stop();
        platform.close();
        receiver.close();
        await store.close();
        await chain.stop();
        await collector.stop();
        await plain.stop();
        rmSync(folder, { recursive: true });
      },
    };
  },
};

/** Looks until it is so; a benchmark that hangs ends with an error. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 120_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error('the line did not drain within two minutes');
    await systemClock.sleep(5);
  }
}
