import type { ComparisonResult } from '@meterseal/node-red-meterseal/core';
import type { EntryOf, ReadingsAnswer, RecordsAnswer, VerdictReason } from '@meterseal/protocol';
import {
  decodeEntries,
  decodeEntry,
  decodeSubmission,
  SEAL_SIGNATURE_BYTES,
  toHex,
} from '@meterseal/protocol';
import type { StoredRecord } from 'meterseal/internal/agent/stored-record';
import { engine } from './seeded-engine.js';
import type { World } from './world.js';

/** What the platform has said of one reading. */
export type Receipt = {
  readonly meter: string;
  readonly seq: number;
  readonly hash: string;
  readonly index: number;
};

/** Milliseconds that the driver may take to isolate once the lease is over. */
const DRIVER_MS = 50;

/** What any comparison may find while things are on their way; nothing of it is anybody's fault. */
const ON_THE_WAY: readonly VerdictReason[] = ['not-yet-anchored', 'anchoring-overdue', 'not-yet-received'];
/** How a comparison may fail while the line is disturbed. */
const DISTURBED: readonly ComparisonResult['outcome'][] = [
  'judged',
  'link-denied',
  'link-fault',
  'platform-unreachable',
];

/** Looks on, and remembers what was promised to whom: what it holds at the end of a run is compared with what is there. */
export class Model {
  readonly problems: string[] = [];
  readonly #world: World;
  /** Readings that the field said were recorded: hash by meter and number. */
  readonly recordings = new Map<string, Map<number, string>>();
  readonly receiptsGiven: Receipt[] = [];
  readonly acknowledgements = new Set<string>();
  readonly notes = new Set<string>();
  /** What more a comparison may find, after field.db was put back. */
  readonly explained = new Set<VerdictReason>();
  /** What the run has met, so that it can be shown that seeds meet it at all. */
  readonly met = new Set<string>();
  /** Readings, by meter and number, of which the last comparison said that the box stated two. */
  readonly statedTwice = new Set<string>();
  #window: { readonly since: number; readonly max: number } | undefined;
  /** The gate does not get its turn, or its driver is at fault: then the switch may be late, but nothing may pass. */
  isGateHindered = false;

  constructor(world: World) {
    this.#world = world;
  }

  problem(what: string, error?: unknown): void {
    const cause =
      error === undefined ? '' : `: ${error instanceof Error ? (error.stack ?? error.message) : error}`;
    this.problems.push(`${what}${cause}`);
    this.#world.note(`PROBLEM ${what}`);
  }

  expect(holds: boolean, what: string): void {
    if (!holds) this.problem(what);
  }

  /**
   * field.db is put back to an earlier copy: what it said before is void, and the field does not remember it.
   *
   * @param isFair chain and collector are in reach, and tell the field. Else it may use a number twice: see
   *   docs/known-issues.md
   */
  putBack(isFair: boolean): void {
    this.recordings.clear();
    this.explained.add('lost-by-field');
    if (!isFair) this.explained.add('equivocation');
  }

  recorded(meter: string, { seq, hash }: StoredRecord): void {
    let known = this.recordings.get(meter);
    if (known === undefined) {
      known = new Map();
      this.recordings.set(meter, known);
    }
    const name = toHex(hash);
    this.expect((known.get(seq) ?? name) === name, `${meter} ${seq} was recorded twice`);
    known.set(seq, name);
  }

  /** The platform answers a submission. */
  receipts(body: Uint8Array, { checkpoint, results }: ReadingsAnswer): void {
    this.seen(checkpoint);
    for (const [i, { sealed }] of decodeSubmission(body).entries()) {
      const { code, index } = results[i]!;
      this.met.add(code);
      if (code !== 'accepted' && code !== 'duplicate') continue;
      const record = sealed.subarray(SEAL_SIGNATURE_BYTES);
      const { meter, seq } = JSON.parse(Buffer.from(record).toString()) as { meter: string; seq: number };
      this.receiptsGiven.push({ meter, seq, hash: toHex(engine.sha256(record)), index: index! });
    }
  }

  /** A checkpoint left the chain. */
  seen(note: string): void {
    this.notes.add(note);
  }

  /** The collector answers a delivery or a gap. */
  acknowledged({ acknowledgements }: RecordsAnswer): void {
    for (const acknowledgement of acknowledgements) this.acknowledgements.add(acknowledgement);
  }

  compared({ outcome, counts, findings, why }: ComparisonResult): void {
    this.met.add(`comparison ${outcome}`);
    this.expect(DISTURBED.includes(outcome), `a comparison ended with ${outcome}: ${why}`);
    if (outcome !== 'judged') return;
    const allowed = findings.every(({ reason }) => ON_THE_WAY.includes(reason) || this.explained.has(reason));
    const list = findings.map(({ meter, seq, reason, flaw }) => `${meter} ${seq} ${reason} ${flaw ?? ''}`);
    this.expect(allowed, `a comparison found ${list.join(', ')}`);
    if (this.explained.size === 0) {
      this.expect(counts.tampered === 0, `a comparison counts ${counts.tampered} tampered`);
    }
  }

  /** The driver has connected. */
  connected(): void {
    const entry = this.#lastTransition();
    this.expect(entry?.to === 'connecting', `connected while the chain says ${entry?.to}`);
    this.#window = { since: this.#world.timeline.now, max: entry?.max ?? 0 };
  }

  /** The driver has isolated, or its process has ended. */
  isolated(): void {
    const { since, max } = this.#window!;
    this.#window = undefined;
    const lasted = this.#world.timeline.now - since;
    const isInTime = lasted <= max + DRIVER_MS || this.isGateHindered;
    this.expect(isInTime, `connected for ${lasted} ms under a lease of ${max} ms`);
  }

  /** An answer of the chain passes the gate. */
  passed(): void {
    const window = this.#window;
    if (window === undefined) {
      this.problem('an answer passed while isolated');
      return;
    }
    const lasted = this.#world.timeline.now - window.since;
    this.expect(
      lasted <= window.max,
      `an answer passed ${lasted - window.max} ms after the end of the lease`,
    );
  }

  #lastTransition(): EntryOf<'switch'> | undefined {
    for (const block of [...this.#world.boxDisk.chainStore.committed].reverse()) {
      const entries = decodeEntries(block.entries, Number.POSITIVE_INFINITY, 'chain-damaged');
      for (const bytes of entries.reverse()) {
        if (bytes[1] === 5) return decodeEntry(bytes) as EntryOf<'switch'>;
      }
    }
    return undefined;
  }
}
