import type { Crypto } from '@meterseal/protocol';
import type { Ledgers } from '../ledgers/ledgers.js';
import { countOf } from '../mirror/entry-list.js';
import type { MirrorPlace } from '../mirror/mirror.js';
import { MIRROR_START } from '../mirror/mirror.js';
import type { Mirrors } from '../mirror/mirrors.js';
import type { Clock } from '../time/clock.js';
import type { SealToCheck } from './seal-check.js';
import { checkSeals, SealCollection } from './seal-check.js';
import type { Standing } from './standing.js';

export type AuditTools = {
  readonly crypto: Crypto;
  readonly clock: Clock;
  readonly ledgers: Ledgers;
  readonly mirrors: Mirrors;
  /** What the last comparison has left. */
  readonly memory: { standing: Standing | undefined };
};

/** Of its time the audit rests so many parts for each that it works, so that readings come in meanwhile. */
const REST = 3;
/** Milliseconds before it begins: who compares again at once need not wait for a part of it to end. */
const START_AFTER_MS = 1_000;
/** Seals of one part: many are cheaper together, and the rest comes between the parts. */
const SEALS_AT_ONCE = 1_024;
/** Milliseconds of the shortest rest. */
const SHORTEST_REST_MS = 1;

/**
 * Checks between comparisons the seals that comparisons have left: a signature costs more than everything else that is
 * done for a reading, and what is checked once is known for good. A comparison stops it; the next one goes on with it.
 * What it finds bad the next comparison checks again, and tells.
 */
export class SealAudit {
  readonly #tools: AuditTools;
  #running: Promise<void> | undefined;
  #stop = new AbortController();
  /** Where the last pass was stopped; undefined where it came to the end. */
  #resume: { readonly epoch: number; readonly place: MirrorPlace } | undefined;

  constructor(tools: AuditTools) {
    this.#tools = tools;
  }

  /** Begins, if there is anything to check and it does not run already. */
  start(): void {
    const { standing } = this.#tools.memory;
    if (this.#running !== undefined || standing === undefined || standing.index.view.seals.pending === 0)
      return;
    this.#stop = new AbortController();
    this.#running = this.#pass(standing)
      // Nobody waits for it. Whatever fails here, disk or engine, the next comparison meets as well, and tells.
      .catch(() => {})
      .finally(() => {
        this.#running = undefined;
      });
  }

  /** Resolves when it has come to its end, or to `stop`. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #pass(standing: Standing): Promise<void> {
    const { mirrors, memory, clock } = this.#tools;
    await clock.sleep(START_AFTER_MS, this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    const resume = this.#resume;
    for (const { epoch, mirror } of mirrors.committed()) {
      if (resume !== undefined && epoch < resume.epoch) continue;
      const { range, bytes } = mirror.head!;
      let place = resume?.epoch === epoch ? resume.place : MIRROR_START;
      for await (const list of mirror.read(place, { size: range.size, bytes })) {
        const collection = new SealCollection(Number.POSITIVE_INFINITY, (...name) => this.#isHeld(...name));
        collection.take(list, place.size, epoch, mirror.checked);
        const { good, bad } = await this.#check(standing, collection.seals);
        // What is known is not built on any more: the next comparison looks at everything again.
        if (bad.length > 0) memory.standing = undefined;
        await mirror.checked.add(good, bad);
        if (this.#stop.signal.aborted) {
          this.#resume = { epoch, place };
          return;
        }
        place = { size: place.size + countOf(list), bytes: place.bytes + list.bytes.length };
      }
    }
    this.#resume = undefined;
  }

  /** @returns indexes of entries, rising; those are left out that it was stopped before */
  async #check(
    standing: Standing,
    seals: readonly SealToCheck[],
  ): Promise<{ good: readonly number[]; bad: readonly number[] }> {
    const { crypto, clock, ledgers } = this.#tools;
    const { spool, openings } = ledgers;
    const meterOf = (subject: number): string | undefined => openings.ofSubject(subject)?.meter;
    const tools = { crypto, spool, held: spool.held(), chain: standing.index.view, meterOf };
    const good: number[] = [];
    const bad: number[] = [];
    for (let i = 0; i < seals.length && !this.#stop.signal.aborted; i += SEALS_AT_ONCE) {
      const started = clock.monotonic();
      const checked = await checkSeals(tools, seals.slice(i, i + SEALS_AT_ONCE));
      for (const indexes of checked.good.values()) good.push(...indexes);
      bad.push(...checked.bad.map(({ seal }) => seal.index));
      const rest = Math.max(SHORTEST_REST_MS, REST * (clock.monotonic() - started));
      await clock.sleep(rest, this.#stop.signal);
    }
    return { good, bad };
  }

  #isHeld(subject: number, seq: number): boolean {
    const { openings, spool } = this.#tools.ledgers;
    const meter = openings.ofSubject(subject)?.meter;
    return meter !== undefined && spool.index.versions(meter, seq).length > 0;
  }
}
