import { join, resolve } from 'node:path';
import type { Crypto, LeasePurpose, Policy, Random, Signer } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { ComparisonResult, SealCounts } from './judging/comparison.js';
import { compare, sealsOf } from './judging/comparison.js';
import type { Scope } from './judging/judging.js';
import { SealAudit } from './judging/seal-audit.js';
import type { Standing } from './judging/standing.js';
import type { FileDamage } from './ledgers/ledgers.js';
import { Ledgers } from './ledgers/ledgers.js';
import { Mirrors } from './mirror/mirrors.js';
import type { StoredReading } from './receiver/receiver.js';
import { Receiver } from './receiver/receiver.js';
import { HeldReadings } from './spool/held-readings.js';
import { nodeStorage } from './storage/node-storage.js';
import type { Storage } from './storage/storage.js';
import type { Clock } from './time/clock.js';
import type { GateLink } from './window/gate-link.js';
import { LeaseCounter } from './window/lease-counter.js';
import type { ControlPort } from './window/tcp-gate-link.js';
import { tcpGateLink } from './window/tcp-gate-link.js';
import { VerdictStore } from './window/verdict-store.js';

export type CollectorOptions = {
  /** Where everything is kept; made if it is not there. */
  readonly dir: string;
  readonly crypto: Crypto;
  /** The collector's key; `openCollectorKey` has it in a file. */
  readonly signer: Signer;
  readonly clock: Clock;
  readonly random: Random;
  /** Origin without its epoch. */
  readonly platformId: string;
  /** Whose checkpoints are believed. */
  readonly policy: Policy;
  /** The gate: its control port, or another way to it. */
  readonly control: ControlPort | GateLink;
  readonly limits?: CollectorLimits;
  /** Called with what was just stored, before it is acknowledged. */
  readonly onStored?: (readings: readonly StoredReading[]) => void;
  /** The disk by node:fs if not given. */
  readonly storage?: Storage;
};

export type CollectorLimits = {
  /** Milliseconds after which a delivered reading that is not on the chain is overdue; an hour if not given. */
  readonly anchoringDelay?: number;
  /** Longest window, milliseconds; half a minute if not given. */
  readonly maxWindow?: number;
  /** Bytes after which a segment of the spool is followed by the next; 64 MiB if not given. */
  readonly segmentBytes?: number;
};

export type CollectorStatus = {
  readonly meters: readonly { meter: string; subject: number; first: number; seq: number }[];
  /** Records in the spool, all versions. */
  readonly records: number;
  /** What is mirrored of the latest epoch. */
  readonly chain: { readonly origin: string; readonly size: number } | null;
  /** Of readings that the last comparison of this process found on the chain with the same hash. */
  readonly seals: SealCounts;
  readonly unsentVerdicts: number;
  /** Verdicts that were never sent, because too many waited for the platform. They are kept. */
  readonly droppedVerdicts: number;
  readonly damage: readonly FileDamage[];
  /** Bytes of an incomplete last record that were cut off when the spool was opened. */
  readonly cut: number;
  /** A write that failed: until the collector is opened again it accepts, or compares, nothing more. */
  readonly failure: MetersealError | undefined;
};

export type CompareOptions = {
  /** `full` if not given; `new` is the quick form, after a comparison by this process. */
  readonly scope?: Scope;
  readonly purpose?: LeasePurpose;
  /** Longest window, milliseconds; the collector's own limit if not given. */
  readonly maxMs?: number;
};

const HOUR_MS = 3_600_000;
const MAX_WINDOW_MS = 30_000;
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** The collector without a transport: `serveReceiver` puts its receiver behind HTTP. */
export class Collector {
  readonly receiver: Receiver;
  readonly held: HeldReadings;
  readonly #options: CollectorOptions;
  readonly #storage: Storage;
  readonly #files: OpenFiles;
  readonly #unlock: () => Promise<void>;
  readonly #memory: { standing: Standing | undefined } = { standing: undefined };
  readonly #audit: SealAudit;
  #comparing: Promise<unknown> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: CollectorOptions, storage: Storage, files: OpenFiles, unlock: () => Promise<void>) {
    const { crypto, signer, clock, platformId, onStored } = options;
    this.#options = options;
    this.#storage = storage;
    this.#files = files;
    this.#unlock = unlock;
    const told = onStored === undefined ? {} : { onStored };
    this.#audit = new SealAudit({ crypto, clock, ...files, memory: this.#memory });
    this.held = new HeldReadings(files.ledgers.spool);
    this.receiver = new Receiver({ ledgers: files.ledgers, crypto, signer, clock, platformId, ...told });
  }

  /**
   * One comparison with the chain. What goes wrong on the way is its outcome, not an exception.
   *
   * @throws MetersealError `busy` while another comparison runs, `stopped` after `close`, `commit-failed`, `disk-full`
   */
  async compare({
    scope = 'full',
    purpose = 'comparison',
    maxMs,
  }: CompareOptions = {}): Promise<ComparisonResult> {
    if (this.#closed !== undefined)
      throw new MetersealError('stopped', "couldn't compare: the collector is closed");
    if (this.#comparing !== undefined) {
      throw new MetersealError('busy', "couldn't compare: another comparison is running");
    }
    const { dir, crypto, signer, clock, random, platformId, policy, control, limits } = this.#options;
    const storage = this.#storage;
    const anchoringDelay = limits?.anchoringDelay ?? HOUR_MS;
    const common = {
      storage,
      dir,
      crypto,
      signer,
      clock,
      random,
      platformId,
      policy,
      gate: 'ask' in control ? control : tcpGateLink(control),
      anchoringDelay,
    };
    const max = maxMs ?? limits?.maxWindow ?? MAX_WINDOW_MS;
    const tools = { ...common, ...this.#files, memory: this.#memory };
    const run = this.#audit.stop().then(() => compare(tools, { purpose, max, scope }));
    this.#comparing = run;
    try {
      return await run;
    } finally {
      this.#comparing = undefined;
      if (this.#closed === undefined) this.#audit.start();
    }
  }

  /** Resolves when the seals that comparisons have left are checked, as far as they can be, or the next one begins. */
  async audited(): Promise<void> {
    await this.#audit.ended();
  }

  status(): CollectorStatus {
    const { ledgers, mirrors, counter, verdicts } = this.#files;
    const head = mirrors.committed().at(-1)?.mirror.head;
    return {
      meters: [...ledgers.openings.all()].map(({ meter, subject }) => {
        const { first, seq } = ledgers.heights.of(subject);
        return { meter, subject, first, seq };
      }),
      records: ledgers.spool.index.count,
      chain: head === undefined ? null : { origin: head.checkpoint.origin, size: head.checkpoint.size },
      seals: sealsOf(this.#memory.standing),
      unsentVerdicts: verdicts.unsent.length,
      droppedVerdicts: verdicts.dropped,
      damage: ledgers.damage,
      cut: ledgers.spool.cut,
      failure: ledgers.failure ?? mirrors.failure ?? counter.failure ?? verdicts.failure,
    };
  }

  /** Waits for what is under way, then closes every file. May be called twice. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await this.#comparing?.catch(() => {});
    await this.#audit.stop();
    await this.receiver.close();
    await closeAll(this.#files);
    await this.#unlock();
  }
}

type OpenFiles = {
  readonly ledgers: Ledgers;
  readonly mirrors: Mirrors;
  readonly counter: LeaseCounter;
  readonly verdicts: VerdictStore;
};

/**
 * Opens a collector: repairs what a crash has left behind, and knows again everything that it ever acknowledged.
 *
 * @throws MetersealError `state-in-use`; `file-unusable` where its folder or a file in it cannot be opened
 */
export async function openCollector(options: CollectorOptions): Promise<Collector> {
  const { crypto, clock, storage = nodeStorage, limits } = options;
  const dir = resolve(options.dir);
  const opened: { close(): Promise<void> }[] = [];
  const keep = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
    const file = await opening;
    opened.push(file);
    return file;
  };
  let unlock: (() => Promise<void>) | undefined;
  try {
    await storage.makeFolder(dir);
    unlock = await storage.lock(join(dir, 'lock'));
    const files = {
      ledgers: await keep(Ledgers.open(storage, dir, crypto, limits?.segmentBytes ?? SEGMENT_BYTES)),
      mirrors: await keep(Mirrors.open(storage, dir, crypto)),
      counter: await keep(LeaseCounter.open(storage, join(dir, 'lease-counter'), clock)),
      verdicts: await keep(VerdictStore.open(storage, join(dir, 'verdicts'), crypto)),
    };
    return new Collector({ ...options, dir }, storage, files, unlock);
  } catch (cause) {
    for (const file of opened) await file.close();
    await unlock?.();
    if (cause instanceof MetersealError) throw cause;
    throw new MetersealError('file-unusable', "couldn't open collector: a file cannot be opened", {
      hint: 'Check that its folder belongs to this user, and that the disk is in order.',
      cause,
    });
  }
}

async function closeAll({ ledgers, mirrors, counter, verdicts }: OpenFiles): Promise<void> {
  for (const file of [ledgers, mirrors, counter, verdicts]) await file.close();
}
