import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine, SigningKey } from '@meterseal/native';
import type { Collector } from '@meterseal/node-red-meterseal/core';
import {
  encodeSpoolFrame,
  isSpoolSegment,
  openCollector,
  openCollectorKey,
  PUBLIC_KEY_FILE,
  readSpoolFrames,
  systemClock,
} from '@meterseal/node-red-meterseal/core';
import type { MeterRef, ReadingRecord } from '@meterseal/protocol';
import {
  authenticationMessage,
  decodeRecord,
  encodeDelivery,
  encodeDeliveryGroup,
  encodeRecord,
  formatTime,
  meterCommitment,
  parsePolicy,
  RUNNING_HASH_START,
  readingHash,
  runningHash,
  sessionMessage,
  signMessage,
  toBase64,
  toBase64Url,
  utf8,
} from '@meterseal/protocol';
import { chainFiles } from 'meterseal/internal/chain/chain-files';
import type { Chain } from 'meterseal/internal/chain/commit';
import { enrolmentDigest } from 'meterseal/internal/chain/enrolment-row';
import { openChain } from 'meterseal/internal/chain/open-chain';
import { SqliteChainStore } from 'meterseal/internal/chain/sqlite-store';
import { createLogger } from 'meterseal/internal/host/logger';
import type { StateFolder } from 'meterseal/internal/host/state-folder';
import { prepareStateFolder, stateFolder } from 'meterseal/internal/host/state-folder';

export const METERS = 100;
/** Cycles of all meters in one delivery, and in one block of the chain. */
const CYCLES_AT_ONCE = 40;
const SITE = { operator: 'meterseal.example', box: 'bench' };
const PLATFORM_ID = `${SITE.operator}/meterseal/${SITE.box}`;
const FIRST_TIME = Date.UTC(2026, 0, 1);
const CYCLE_MS = 900_000;

/** A box with its chain, and a collector's folder, both filled with the same readings. */
export type Site = {
  readonly state: StateFolder;
  readonly readings: number;
  readonly openCollector: (controlPort: number) => Promise<Collector>;
};

type BenchMeter = {
  readonly id: string;
  readonly ref: MeterRef;
  readonly salt: Uint8Array;
  readonly identity: SigningKey;
  readonly session: SigningKey;
  runningHash: Uint8Array;
};

const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));

/**
 * Fills a box's chain by its own `append`, and a collector by its own receiver, with `cycles` readings of each meter. Only
 * who asks is left out: no meter is polled, and the platform believes its own seals.
 */
export async function prepareSite(folder: string, engine: Engine, cycles: number): Promise<Site> {
  const site = siteIn(folder, engine, cycles * METERS);
  const { state } = site;
  prepareStateFolder(state);
  const key = await openCollectorKey(state.collector);
  const collectors = [{ url: 'http://127.0.0.1:9', 'key-file': join(state.collector, PUBLIC_KEY_FILE) }];
  const config = { site: { ...SITE, log: 'error' }, gate: { control: '127.0.0.1:0' }, collectors };
  writeFileSync(state.config, JSON.stringify(config));

  const store = await SqliteChainStore.open(state.chainDatabase);
  const chain = await openChain({
    store,
    files: chainFiles(state),
    platformId: PLATFORM_ID,
    engine,
    clock: systemClock,
    random,
    log: createLogger('error'),
  });
  const collector = await site.openCollector(9);
  const meters = await enrol(chain, engine);
  await collector.receiver.openings(
    meters.map(({ id, salt, ref, identity }) => {
      return {
        meter: id,
        salt: toBase64(salt),
        subject: ref.subject,
        identityKey: toBase64(identity.publicKey),
      };
    }),
  );
  for (let from = 1; from <= cycles; from += CYCLES_AT_ONCE) {
    const to = Math.min(cycles, from + CYCLES_AT_ONCE - 1);
    const made = meters.map((meter) => recordsOf(meter, from, to));
    await anchor(chain, engine, meters, made, from);
    await collector.receiver.records(deliveryOf(engine, key.publicKey, meters, made, from));
    if (((from - 1) / CYCLES_AT_ONCE) % 25 === 0) {
      process.stderr.write(`  ${to * METERS} readings anchored and delivered\n`);
    }
  }
  await collector.close();
  await chain.stop();
  await store.close();
  return site;
}

/** A site that was prepared before. */
export function siteIn(folder: string, engine: Engine, readings: number): Site {
  const state = stateFolder(join(folder, 's'));
  return {
    state,
    readings,
    openCollector: async (controlPort) =>
      openCollector({
        dir: state.collector,
        crypto: engine,
        signer: await openCollectorKey(state.collector),
        clock: systemClock,
        random,
        platformId: PLATFORM_ID,
        policy: parsePolicy(engine, readFileSync(state.policy, 'utf8')),
        control: { host: '127.0.0.1', port: controlPort },
      }),
  };
}

/**
 * Changes one reading in the middle of the spool as somebody with access to the disk could, with a checksum made right.
 *
 * @returns the meter and number that a comparison has to name
 */
export function changeOneReading({ state }: Site): { meter: string; seq: number } {
  const folder = join(state.collector, 'spool');
  const segments = readdirSync(folder).filter(isSpoolSegment).sort();
  const path = join(folder, segments[Math.floor(segments.length / 2)]!);
  const frames = readSpoolFrames(readFileSync(path));
  const middle = Math.floor(frames.length / 2);
  const record = decodeRecord(frames[middle]!.record);
  const [value, ...values] = record.values;
  const changed = { ...record, values: [{ ...value!, value: `9${value!.value!.slice(1)}` }, ...values] };
  frames[middle] = { ...frames[middle]!, record: encodeRecord(changed) };
  writeFileSync(path, Buffer.concat(frames.map(encodeSpoolFrame)));
  return { meter: record.meter, seq: record.seq };
}

async function enrol(chain: Chain, engine: Engine): Promise<BenchMeter[]> {
  const { result } = await chain.append((draft) =>
    Array.from({ length: METERS }, (_, i): BenchMeter => {
      const subject = i + 1;
      const id = `BENCH-${subject}`;
      const salt = random(16);
      const commitment = meterCommitment(engine, salt, id);
      const ref = { subject, commitment };
      const identity = engine.generateKey();
      const session = engine.generateKey();
      const identityKey = identity.publicKey;
      const holderCommitment = random(32);
      const enrolment = { keyOrigin: 'own', firstSeq: 1, identityKey, holderCommitment } as const;
      const index = draft.add({
        type: 'enrolment',
        subject,
        seq: 0,
        meterCommitment: commitment,
        ...enrolment,
      });
      draft.meters.push({ subject, meter: id, salt });
      const row = { index, subject, codeHash: random(32), holderSalt: random(16), nonce: random(32) };
      draft.enrolments.push({ ...row, digest: enrolmentDigest(engine, row) });
      const { origin } = chain;
      const messageHash = engine.sha256(authenticationMessage({ origin, meter: ref, challenge: random(32) }));
      const accepted = { result: 'accepted', reason: 'none', messageHash } as const;
      const authentication = draft.add({ type: 'authentication', subject, seq: 0, ...accepted });
      const sessionKey = session.publicKey;
      const names = { meter: ref, authenticationHash: messageHash, sessionKey };
      const signature = identity.sign(sessionMessage({ origin, ...names }));
      const expires = draft.time + 30 * 86_400_000;
      draft.add({ type: 'session', subject, seq: subject, authentication, sessionKey, expires, signature });
      return { id, ref, salt, identity, session, runningHash: RUNNING_HASH_START };
    }),
  );
  return result;
}

/** Records in their canonical form; the receiver's strict decoder would refuse any other. */
function recordsOf(meter: BenchMeter, from: number, to: number): Uint8Array[] {
  const salts = random(16 * (to - from + 1));
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const seq = from + i;
    const record: ReadingRecord = {
      clock: 'synchronised',
      identity: 'confirmed',
      meter: meter.id,
      profile: 'eastron/sdm630@0123456789abcdef',
      raw: [{ at: 72, fc: 4, words: seq.toString(16).padStart(8, '0') }],
      salt: toBase64Url(salts.subarray(16 * i, 16 * i + 16)),
      seq,
      span: 20,
      sw: 'meterseal/bench 0000000000000000',
      time: formatTime(FIRST_TIME + seq * CYCLE_MS),
      v: 0,
      values: [{ obis: '1-0:1.8.0', unit: 'kWh', value: `${10_000 + seq}.451` }],
    };
    return utf8(JSON.stringify(record));
  });
}

/** One block, cycle by cycle as meters are polled. */
async function anchor(
  chain: Chain,
  engine: Engine,
  meters: readonly BenchMeter[],
  made: readonly (readonly Uint8Array[])[],
  from: number,
): Promise<void> {
  await chain.append((draft) => {
    for (let i = 0; i < made[0]!.length; i++) {
      for (const [m, { ref, session }] of meters.entries()) {
        const record = made[m]![i]!;
        const { subject } = ref;
        const hash = readingHash(engine, record);
        const sealSignature = session.sign(record);
        draft.add({ type: 'reading', subject, seq: from + i, session: subject, hash, sealSignature });
      }
    }
  });
}

function deliveryOf(
  engine: Engine,
  collectorKey: Uint8Array,
  meters: readonly BenchMeter[],
  part: readonly (readonly Uint8Array[])[],
  from: number,
): Uint8Array {
  const groups = meters.map((meter, m) => {
    const records = part[m]!;
    for (const record of records) {
      meter.runningHash = runningHash(engine, meter.runningHash, readingHash(engine, record));
    }
    const to = from + records.length - 1;
    const delivery = { first: 1, to, runningHash: meter.runningHash };
    const statement = encodeDelivery({
      platformId: PLATFORM_ID,
      meter: meter.ref,
      collectorKey,
      ...delivery,
    });
    return encodeDeliveryGroup(signMessage(meter.identity, statement), records);
  });
  return new Uint8Array(Buffer.concat(groups));
}
