import { SPOOL_FORMAT, splitSpoolFrame } from '@meterseal/node-red-meterseal/internal/spool/spool-frame';
import { FrameScanner } from '@meterseal/node-red-meterseal/internal/storage/frame-scanner';
import type { Entry } from '@meterseal/protocol';
import {
  decodeEntries,
  decodeEntry,
  decodeSigned,
  equalBytes,
  fromBase64,
  parseCheckpoint,
  parseNote,
  RUNNING_HASH_START,
  readAcknowledgement,
  runningHash,
  toHex,
} from '@meterseal/protocol';
import { checkField } from 'meterseal/internal/agent/check-field';
import { checkInvariants } from 'meterseal/internal/chain/invariants';
import { COLLECTOR_DIR } from './collector-actor.js';
import { plainConnection } from './field-tables.js';
import { engine } from './seeded-engine.js';
import type { World } from './world.js';

/** Whether everything is where it belongs, and nothing waits any more. */
export function isDrained(world: World): boolean {
  const { boxDisk, gate, actors } = world;
  if (!actors.every((actor) => actor.isUp) || !gate.isSettled) return false;
  const { meters, deliveries, events, records, voidDeliveries } = boxDisk.fieldTables.tables;
  return (
    meters.length === world.meters.length &&
    events.length === 0 &&
    meters.every(({ state }) => state === 'enrolled') &&
    records.every(({ meter, seq, version }) => {
      const delivery = deliveries.find((row) => row.meter === meter);
      const isSent =
        version === 0
          ? seq <= (delivery?.ackedTo ?? 0)
          : voidDeliveries.some((row) => row.meter === meter && row.seq === seq);
      const isAnchored = seq <= meters.find(({ number }) => number === meter)!.anchoredTo;
      return isAnchored && (isSent || seq < (delivery?.first ?? 1));
    })
  );
}

/** What must hold once the line is drained, whatever it went through. */
export async function checkEnd(world: World): Promise<void> {
  const { model, boxDisk, chain } = world;
  const { findings } = await checkInvariants(boxDisk.chainStore, chain.policy!, engine);
  for (const finding of findings) model.problem(`chain: ${finding}`);
  const field = await checkField(plainConnection(boxDisk.fieldTables), engine);
  // What a box has stated twice cannot both be what it holds.
  const isTwofold = model.statedTwice.size > 0;
  for (const finding of field.findings) {
    model.expect(isTwofold && finding.endsWith('their running hash is not that of the records'), finding);
  }

  const entries = entriesOf(world);
  if (model.explained.size === 0) checkNothingLost(world, entries);
  checkNotes(world);
  checkReceipts(world, entries);
  const held = heldBy(world);
  checkReadings(world, entries, held);
  checkAcknowledgements(world, held);
}

/** Every entry of the chain, in order. */
function entriesOf(world: World): Entry[] {
  return world.boxDisk.chainStore.committed.flatMap((block) =>
    decodeEntries(block.entries, Number.POSITIVE_INFINITY, 'chain-damaged').map((bytes) =>
      decodeEntry(bytes),
    ),
  );
}

/** While field.db is what it was, no number is ever given up, and none is in dispute. */
function checkNothingLost({ model, boxDisk, collectorDisk }: World, entries: readonly Entry[]): void {
  const { records, lost } = boxDisk.fieldTables.tables;
  model.expect(lost.length === 0, `${lost.length} ranges of numbers were given up`);
  model.expect(
    records.every(({ version }) => version === 0),
    'a reading was made void',
  );
  model.expect(collectorDisk.bytes(`${COLLECTOR_DIR}/gaps`).length === 0, 'a gap was stated');
  for (const entry of entries) {
    if (entry.type !== 'event') continue;
    const { kind, what } = entry.event as { kind: string; what?: string };
    const isDispute = kind === 'restored' || (kind === 'conflict' && what === 'reading');
    model.expect(!isDispute, `the chain tells of ${kind} for subject ${entry.subject}`);
  }
}

/** No checkpoint that was ever seen names a tree that the chain does not have. */
function checkNotes({ model, boxDisk }: World): void {
  const roots = new Map(
    boxDisk.chainStore.committed.map(({ firstIndex, count, root }) => [firstIndex + count, toHex(root)]),
  );
  for (const note of model.notes) {
    const { size, root } = parseCheckpoint(parseNote(note).text);
    model.expect(roots.get(size) === toHex(root), `a checkpoint of ${size} entries was seen that is no more`);
  }
}

function checkReceipts({ model, boxDisk }: World, entries: readonly Entry[]): void {
  const subjects = new Map(boxDisk.fieldTables.tables.meters.map(({ id, subject }) => [id, subject]));
  for (const { meter, seq, hash, index } of model.receiptsGiven) {
    const entry = entries[index];
    const isThere =
      entry?.type === 'reading' &&
      entry.seq === seq &&
      entry.subject === subjects.get(meter) &&
      toHex(entry.hash) === hash;
    model.expect(isThere, `${meter} ${seq} has a receipt for entry ${index}, which is something else`);
  }
}

type Held = Map<string, Map<number, Uint8Array[]>>;

/** Hashes of the records at the collector by meter and number, in the order in which they came. */
function heldBy({ collectorDisk }: World): Held {
  const held: Held = new Map();
  for (let segment = 1; ; segment++) {
    const bytes = collectorDisk.bytes(`${COLLECTOR_DIR}/spool/${String(segment).padStart(8, '0')}.spool`);
    if (bytes.length === 0 && segment > 1) return held;
    if (bytes.length === 0) continue;
    const scanner = new FrameScanner(SPOOL_FORMAT, (_at, body) => {
      const { record } = splitSpoolFrame(body);
      const { meter, seq } = JSON.parse(Buffer.from(record).toString()) as { meter: string; seq: number };
      const numbers = held.get(meter) ?? new Map<number, Uint8Array[]>();
      held.set(meter, numbers.set(seq, [...(numbers.get(seq) ?? []), engine.sha256(record)]));
    });
    scanner.feed(bytes);
    scanner.end();
  }
}

/** Each reading is once on the chain and once at the collector, with the hash that it was recorded with. */
function checkReadings(world: World, entries: readonly Entry[], held: Held): void {
  const { model, boxDisk } = world;
  const { meters, records, deliveries } = boxDisk.fieldTables.tables;
  for (const { number, id, subject, nextSeq } of meters) {
    const anchored = new Map<number, string>();
    for (const entry of entries) {
      if (entry.type !== 'reading' || entry.subject !== subject) continue;
      model.expect(!anchored.has(entry.seq), `${id} ${entry.seq} stands twice on the chain`);
      anchored.set(entry.seq, toHex(entry.hash));
    }
    model.expect(
      anchored.size === nextSeq - 1,
      `${id}: ${anchored.size} readings on the chain, ${nextSeq - 1} recorded`,
    );
    for (const { meter, seq, version, hash, entryIndex } of records) {
      if (meter !== number) continue;
      const standing = records.some((row) => row.meter === meter && row.seq === seq && row.version > version);
      if (!standing) {
        model.expect(anchored.get(seq) === toHex(hash), `${id} ${seq} is not on the chain as recorded`);
        model.expect(entryIndex !== null, `${id} ${seq} has no receipt`);
      }
      const versions = held.get(id)?.get(seq) ?? [];
      const copies = versions.filter((version) => equalBytes(version, hash)).length;
      // The void record of a number behind a stated gap is for the chain alone.
      const isBehindGap = version === 1 && seq < (deliveries.find((row) => row.meter === number)?.first ?? 1);
      const isTwofold = model.statedTwice.has(`${id} ${seq}`);
      model.expect(
        copies === 1 || isBehindGap || isTwofold,
        `${id} ${seq} is ${copies} times at the collector`,
      );
    }
    for (const [seq, hash] of model.recordings.get(id) ?? []) {
      const row = records.find(
        (record) => record.meter === number && record.seq === seq && record.version === 0,
      );
      const isKept = row !== undefined && toHex(row.hash) === hash;
      model.expect(isKept || model.explained.size > 0, `${id} ${seq} was recorded and is no more`);
      if (model.explained.size > 0) continue;
      const versions = held.get(id)?.get(seq) ?? [];
      model.expect(versions.length === 1, `${id} ${seq} has ${versions.length} versions at the collector`);
    }
  }
}

/** Everything that was ever acknowledged is held, and hashes to what was acknowledged. */
function checkAcknowledgements({ model, boxDisk }: World, held: Held): void {
  const ids = new Map(boxDisk.fieldTables.tables.meters.map(({ id, subject }) => [subject, id]));
  for (const text of model.acknowledgements) {
    const {
      meter,
      first,
      seq,
      runningHash: stated,
    } = decodeSigned(fromBase64(text), readAcknowledgement).value;
    const id = ids.get(meter.subject);
    const numbers = held.get(id ?? '');
    let hash: Uint8Array = RUNNING_HASH_START;
    for (let number = first; number <= seq; number++) {
      const [version] = numbers?.get(number) ?? [];
      if (version === undefined) {
        model.problem(`${id} ${number} was acknowledged and is not held`);
        break;
      }
      hash = runningHash(engine, hash, version);
      // After a rollback the first version may be one that was never acknowledged.
      if (number === seq && model.explained.size === 0) {
        model.expect(
          equalBytes(hash, stated),
          `${id}: what was acknowledged up to ${seq} is not what is held`,
        );
      }
    }
  }
}
