import type { Engine } from '@meterseal/native';
import type { CompactRange, Entry, Policy } from '@meterseal/protocol';
import {
  appendLeaves,
  concat,
  decodeEntry,
  decodeSigned,
  EMPTY_RANGE,
  emptyRoot,
  equalBytes,
  HASH_BYTES,
  isMetersealError,
  isSignedBy,
  leafHash,
  meterCommitment,
  openCheckpoint,
  rangeRoot,
  readVerdict,
  TILE_WIDTH,
} from '@meterseal/protocol';
import { blockEntries } from './block.js';
import { enrolmentDigest } from './enrolment-row.js';
import { EntryInvariants } from './entry-invariants.js';
import type { ChainReader, EntryRange, StoredBlock } from './store.js';

export type InvariantsReport = {
  /** What is wrong, one sentence each; empty if nothing. At most `MAX_FINDINGS`. */
  readonly findings: readonly string[];
  /** Entries that were examined, and the root over them. */
  readonly size: number;
  readonly root: Uint8Array;
};

/** A head of this chain that somebody remembers; the entries must lead to it. */
export type SeenHead = {
  /** Who, as a finding names it. */
  readonly by: string;
  readonly size: number;
  readonly root: Uint8Array;
};

const MAX_FINDINGS = 100;

/**
 * Recomputes everything that is stored from the entries and compares: order and numbers, roots, checkpoints and their
 * signatures, tiles, index, openings, spent codes, verdict statements. It shares the codecs with the commit and nothing
 * else: a fault of the tree's edge or of the ledger state cannot hide itself here.
 *
 * @param policy whose log keys may have signed; witnesses are not asked
 * @param seen signed heads, no newer than what the reader sees: a chain that was cut short does not have them any more
 */
export async function checkInvariants(
  reader: ChainReader,
  policy: Policy,
  engine: Engine,
  seen: readonly SeenHead[] = [],
): Promise<InvariantsReport> {
  const check = new InvariantsCheck(reader, policy, engine, seen);
  await reader.snapshot(() => check.run());
  return { findings: check.findings, size: check.size, root: check.root };
}

class InvariantsCheck {
  readonly findings: string[] = [];
  size = 0;
  root: Uint8Array;
  readonly #reader: ChainReader;
  readonly #policy: Policy;
  readonly #engine: Engine;
  readonly #seen: Set<SeenHead>;

  #height = 0;
  #range: CompactRange = EMPTY_RANGE;
  /** Hashes of the tile begun at each level. */
  readonly #rows: Uint8Array[][] = [];
  #tiles = 0;
  #ranges = 0;
  readonly #rules: EntryInvariants;

  constructor(reader: ChainReader, policy: Policy, engine: Engine, seen: readonly SeenHead[]) {
    this.#reader = reader;
    this.#seen = new Set(seen);
    this.#policy = { logs: policy.logs, witnesses: [], groups: [], quorum: undefined };
    this.#engine = engine;
    this.root = emptyRoot(engine);
    this.#rules = new EntryInvariants(this.#policy, engine, (finding) => this.#find(finding));
  }

  async run(): Promise<void> {
    for (const fault of await this.#reader.faults()) this.#find(`storage: ${fault}`);
    for await (const block of this.#reader.blocks(1)) {
      if (this.findings.length >= MAX_FINDINGS) return;
      await this.#block(block);
    }
    for (const { by, size } of this.#seen) {
      this.#find(
        `${by}: a head of ${size} entries was signed, and the chain has ${this.size} and not that one`,
      );
    }
    await this.#tables();
  }

  #find(what: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(what);
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.#find(what);
  }

  async #block(block: StoredBlock): Promise<void> {
    const where = `block ${block.height}`;
    this.#expect(block.height === this.#height + 1, `${where}: it follows block ${this.#height}`);
    this.#expect(
      block.firstIndex === this.size,
      `${where}: it starts at ${block.firstIndex}, not at ${this.size}`,
    );
    this.#height = block.height;
    const bytes = this.#attempt(where, () => blockEntries(block));
    if (bytes === undefined) return;
    this.#expect(
      bytes.length === block.count,
      `${where}: ${bytes.length} entries where ${block.count} belong`,
    );
    this.#expect(bytes.length >= 2, `${where}: a block without an entry before its block-close`);

    const entries: Entry[] = [];
    const leaves: Uint8Array[] = [];
    const firstIndex = this.size;
    for (const [i, raw] of bytes.entries()) {
      const index = firstIndex + i;
      const leaf = leafHash(this.#engine, raw);
      leaves.push(leaf);
      await this.#leaf(leaf, 0, index);
      const entry = this.#attempt(`${where}, entry ${index}`, () => decodeEntry(raw));
      if (entry === undefined) continue;
      entries.push(entry);
      this.#expect(entry.time === block.time, `entry ${index}: another time than its block's`);
      const last = i === bytes.length - 1;
      this.#expect(
        (entry.type === 'block-close') === last,
        `entry ${index}: ${entry.type} in the wrong place`,
      );
      const { height } = block;
      this.#rules.check(entry, index, { height, firstIndex, before: i, previousRoot: this.root });
    }
    this.#range = appendLeaves(this.#engine, this.#range, concat(...leaves));
    this.size = this.#range.size;
    this.root = rangeRoot(this.#engine, this.#range);
    this.#expect(equalBytes(this.root, block.root), `${where}: its entries give another root`);
    this.#checkpoint(block, where);
    for (const head of this.#seen) {
      if (head.size === this.size && equalBytes(head.root, this.root)) this.#seen.delete(head);
    }
    await this.#index(entries, block.height);
  }

  #checkpoint(block: StoredBlock, where: string): void {
    const opened = this.#attempt(`${where}: checkpoint`, () =>
      openCheckpoint(this.#engine, this.#policy, block.note),
    );
    if (opened === undefined) return;
    const { size, root, origin } = opened.checkpoint;
    const right = size === this.size && equalBytes(root, this.root) && origin === this.#rules.origin;
    this.#expect(right, `${where}: its checkpoint is of another tree`);
  }

  /** Adds a hash to the tile begun at a level; a tile that is full must be stored, and its root goes one level up. */
  async #leaf(hash: Uint8Array, level: number, index: number): Promise<void> {
    this.#rows[level] ??= [];
    const row = this.#rows[level];
    row.push(hash);
    if (row.length < TILE_WIDTH) return;
    const hashes = concat(...row.splice(0));
    const number = Math.floor(index / TILE_WIDTH);
    const stored = await this.#reader.tile(level, number);
    this.#tiles++;
    if (stored === undefined) this.#find(`tile ${level}/${number}: missing`);
    else this.#expect(equalBytes(stored, hashes), `tile ${level}/${number}: not the hashes of its entries`);
    await this.#leaf(this.#engine.merkleRoot(hashes), level + 1, number);
  }

  async #index(entries: readonly Entry[], height: number): Promise<void> {
    const rows = await this.#reader.ranges(height);
    this.#ranges += rows.length;
    const covers = (row: EntryRange, { type, subject, seq }: Entry): boolean =>
      row.type === type && row.subject === subject && row.first <= seq && seq <= row.last;
    for (const row of rows) {
      const numbers = new Set(entries.filter((entry) => covers(row, entry)).map(({ seq }) => seq));
      const name = `index row ${row.type} ${row.subject} ${row.first}…${row.last} of block ${height}`;
      this.#expect(numbers.size === row.last - row.first + 1, `${name}: not what stands there`);
    }
    for (const entry of entries) {
      if (!['enrolment', 'session', 'reading', 'switch'].includes(entry.type)) continue;
      const found = rows.filter((row) => covers(row, entry)).length;
      const name = `${entry.type} ${entry.seq} of subject ${entry.subject}`;
      this.#expect(found === 1, `block ${height}: ${name} stands in ${found} index rows`);
    }
  }

  /** What stands beside the entries, and what belongs to none. */
  async #tables(): Promise<void> {
    const counts = await this.#reader.counts();
    this.#expect(counts.blocks === this.#height, `${counts.blocks} blocks where ${this.#height} belong`);
    this.#expect(counts.tiles === this.#tiles, `${counts.tiles} tiles where ${this.#tiles} belong`);
    this.#expect(counts.ranges === this.#ranges, `${counts.ranges} index rows where ${this.#ranges} belong`);
    const platformId = this.#attempt('meta', () => this.#reader.platformId());
    const named = (await platformId) ?? '';
    this.#expect(
      this.#rules.origin.startsWith(`${named}/`) || this.#height === 0,
      'meta: another platform than the epoch',
    );

    const meters = await this.#reader.meters();
    for (const { subject, meter, salt } of meters) {
      const known = this.#rules.subjects.get(subject);
      const opens =
        known !== undefined &&
        this.#attempt(`meter row ${subject}`, () =>
          equalBytes(meterCommitment(this.#engine, new Uint8Array(salt), meter), known.commitment),
        );
      this.#expect(opens === true, `meter row ${subject}: it does not open its commitment`);
    }
    this.#expect(
      meters.length === this.#rules.subjects.size,
      `${meters.length} meters where ${this.#rules.subjects.size} belong`,
    );

    const enrolments = await this.#reader.enrolments();
    for (const row of enrolments) {
      const right =
        this.#rules.enrolments.get(row.index) === row.subject &&
        equalBytes(enrolmentDigest(this.#engine, row), row.digest) &&
        row.codeHash.length === HASH_BYTES;
      this.#expect(right, `enrolment row ${row.index}: changed, or without its entry`);
    }
    const expected = this.#rules.enrolments.size;
    this.#expect(
      enrolments.length === expected,
      `${enrolments.length} enrolment rows where ${expected} belong`,
    );

    const verdicts = await this.#reader.verdicts();
    for (const { hash, index, signed } of verdicts) {
      const entry = this.#rules.verdicts.get(index);
      const right =
        entry !== undefined &&
        equalBytes(hash, entry.statementHash) &&
        this.#attempt(`verdict row ${index}`, () => {
          const statement = decodeSigned(signed, readVerdict);
          const same = equalBytes(this.#engine.sha256(statement.message), hash);
          return same && isSignedBy(this.#engine, entry.collectorKey, statement);
        });
      this.#expect(right === true, `verdict row ${index}: changed, or without its entry`);
    }
    const statements = this.#rules.verdicts.size;
    this.#expect(
      verdicts.length === statements,
      `${verdicts.length} verdict rows where ${statements} belong`,
    );
  }

  /** The result, or undefined and a finding for what the codecs refuse. */
  #attempt<T>(where: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      this.#find(`${where}: ${error.message}`);
      return undefined;
    }
  }
}
