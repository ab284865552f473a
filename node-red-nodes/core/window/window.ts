import type { Checkpoint, CompactRange, Crypto, ErrorCode, Policy, VerdictReason } from '@meterseal/protocol';
import {
  appendLeaves,
  EMPTY_RANGE,
  epochOf,
  equalBytes,
  isMetersealError,
  MetersealError,
  openCheckpoint,
  platformIdOf,
  rangeRoot,
  verifyConsistency,
} from '@meterseal/protocol';
import { LEAF_PREFIX } from '../mirror/chain-index.js';
import type { EntryList } from '../mirror/entry-list.js';
import type { Mirror, MirrorPlace } from '../mirror/mirror.js';
import type { Mirrors } from '../mirror/mirrors.js';
import type { Clock } from '../time/clock.js';
import type { LeaseTools, LeaseWish, Release } from './lease-client.js';
import { releaseLease, takeLease } from './lease-client.js';
import { ProofClient } from './proof-client.js';
import type { VerdictStore } from './verdict-store.js';

export type WindowTools = {
  readonly lease: LeaseTools;
  readonly crypto: Crypto;
  readonly policy: Policy;
  readonly mirrors: Mirrors;
  readonly verdicts: VerdictStore;
  readonly clock: Clock;
};

/** What a run can end with instead of verdicts. */
export type RunFailure = Extract<
  VerdictReason,
  | 'link-denied'
  | 'link-fault'
  | 'platform-unreachable'
  | 'stale-checkpoint'
  | 'bad-entries'
  | 'history-unproven'
  | 'history-rewritten'
>;

/** A checkpoint that came, and the mirror of its epoch. */
export type Shown = {
  readonly note: string;
  readonly checkpoint: Checkpoint;
  readonly mirror: Mirror;
  /** As the mirror's head stood before this window. */
  readonly keptNote: string | undefined;
  readonly keptSize: number;
  readonly consistency: readonly Uint8Array[] | undefined;
};

/** Entries that led to the root of the checkpoint shown: appended to the mirror, and to be committed. */
export type Fetched = {
  readonly from: MirrorPlace;
  /** Of all entries before them, as it was committed. */
  readonly before: CompactRange;
  /** Of all entries, these included. */
  readonly range: CompactRange;
  /** What came; undefined where it was too much to be kept in memory. */
  readonly lists: readonly EntryList[] | undefined;
};

export type WindowResult = {
  /** `mirrored`: entries came, see `fetched`; `behind`: no more came than is mirrored already. */
  readonly outcome: 'mirrored' | 'behind' | RunFailure;
  readonly why: string | undefined;
  readonly shown: Shown | undefined;
  readonly fetched: Fetched | undefined;
  /** Milliseconds from the gate's answer to the end of the release. */
  readonly windowMs: number;
  readonly released: boolean;
  readonly verdictsSent: number;
};

/** Verdicts that one window sends; what is left over goes out in the next. */
const MAX_VERDICTS_PER_WINDOW = 16;
/** Bytes of entries that are kept to be judged, so that they need not be read again: two million readings. */
const MAX_KEPT_BYTES = 256 * 1024 * 1024;

const FAILURES: Partial<Record<ErrorCode, RunFailure>> = {
  'link-denied': 'link-denied',
  'link-fault': 'link-fault',
  unreachable: 'platform-unreachable',
  timeout: 'platform-unreachable',
  'rate-limited': 'platform-unreachable',
  'statement-refused': 'platform-unreachable',
  'bad-message': 'bad-entries',
  'too-large': 'bad-entries',
  'consistency-invalid': 'history-unproven',
  'policy-refused': 'history-unproven',
  'bad-checkpoint': 'history-unproven',
};

/**
 * The one time in which collector and platform are connected: lease → checkpoint under the policy → consistency with
 * what is mirrored → entries, hashed as they come → root → verdicts that are still to be sent → release. Whatever happens
 * after the lease was asked for, it is released. What came is to be committed by the caller: the disk is not waited for
 * while connected.
 *
 * @throws MetersealError `commit-failed`, `disk-full` where this collector cannot store, after the release
 */
export async function runWindow(tools: WindowTools, wish: LeaseWish): Promise<WindowResult> {
  const run = new WindowRun(tools);
  const deadline = new AbortController();
  const disarm = abortAfter(tools.clock, wish.max, deadline);
  let connectedAt: number | undefined;
  let mayBeConnected = true;
  let failure: { reason: RunFailure; why: string } | undefined;
  let fatal: unknown;
  let client: ProofClient | undefined;
  try {
    const { port, granted } = await takeLease(tools.lease, wish, deadline.signal);
    connectedAt = tools.clock.monotonic();
    const disarmGranted = abortAfter(tools.clock, granted, deadline);
    try {
      client = new ProofClient(tools.lease.gate.comparison(port, deadline.signal), deadline.signal);
      await run.mirrorNews(client);
      await run.sendVerdicts(client);
    } finally {
      disarmGranted();
    }
  } catch (error) {
    // A gate that said no, or is not there, has connected nothing; of any other failure that is not known.
    if (isMetersealError(error, 'link-denied')) mayBeConnected = false;
    if (connectedAt === undefined && isMetersealError(error, 'unreachable')) mayBeConnected = false;
    const reason = isMetersealError(error) ? FAILURES[error.code] : undefined;
    if (reason === undefined) fatal = error;
    else failure = { reason, why: (error as MetersealError).message };
  } finally {
    disarm();
    client?.close();
  }
  const release = mayBeConnected ? await tryRelease(tools, wish) : 'released';
  const windowMs = connectedAt === undefined ? 0 : tools.clock.monotonic() - connectedAt;
  if (fatal === undefined && release === 'fault') {
    // A switch whose witnesses disagree may have been something else all along than what it said.
    failure ??= { reason: 'link-fault', why: "couldn't trust window: the isolation switch is at fault" };
  }
  const { shown, fetched, verdictsSent } = run;
  if (fatal !== undefined || failure !== undefined) shown?.mirror.discard();
  if (fatal !== undefined) throw fatal;
  await tools.verdicts.settle(run.settled);
  return {
    outcome: failure?.reason ?? (fetched === undefined ? 'behind' : 'mirrored'),
    why: failure?.why,
    shown,
    fetched,
    windowMs,
    released: release === 'released',
    verdictsSent,
  };
}

class WindowRun {
  readonly #tools: WindowTools;
  shown: Shown | undefined;
  fetched: Fetched | undefined;
  verdictsSent = 0;
  /** Statements that need not be sent again. */
  readonly settled: Uint8Array[] = [];

  constructor(tools: WindowTools) {
    this.#tools = tools;
  }

  async mirrorNews(client: ProofClient): Promise<void> {
    const { crypto, policy, mirrors, lease } = this.#tools;
    const note = await client.checkpoint();
    const { checkpoint } = openCheckpoint(crypto, policy, note);
    if (platformIdOf(checkpoint.origin) !== lease.platformId) {
      throw new MetersealError('policy-refused', "couldn't accept checkpoint: it is another platform's");
    }
    const epoch = epochOf(checkpoint.origin);
    const mirror = await mirrors.of(epoch);
    const head = mirror.head;
    const keptSize = head?.checkpoint.size ?? 0;
    const shown = { note, checkpoint, mirror, keptNote: head?.note, keptSize };
    this.shown = { ...shown, consistency: undefined };
    const latest = mirrors.committed().at(-1)?.epoch ?? epoch;
    if (epoch < latest || checkpoint.size <= keptSize) return;

    if (head !== undefined) {
      const proof = await client.consistency(keptSize, checkpoint.size);
      this.shown = { ...shown, consistency: proof };
      const { size: to, root: toRoot } = checkpoint;
      verifyConsistency(crypto, { from: keptSize, to, fromRoot: head.checkpoint.root, toRoot, proof });
    }
    const from = mirror.end;
    const before = head?.range ?? EMPTY_RANGE;
    let range = before;
    let lists: EntryList[] | undefined = [];
    try {
      for await (const list of client.entries(keptSize, checkpoint.size)) {
        range = appendLeaves(crypto, range, crypto.hashSlices(list.bytes, list.bounds, LEAF_PREFIX));
        await mirror.append(list);
        lists?.push(list);
        if (mirror.end.bytes - from.bytes > MAX_KEPT_BYTES) lists = undefined;
      }
      if (!equalBytes(rangeRoot(crypto, range), checkpoint.root)) {
        throw new MetersealError(
          'bad-message',
          "couldn't accept entries: they do not lead to the checkpoint's root",
        );
      }
    } catch (error) {
      mirror.discard();
      throw error;
    }
    this.fetched = { from, before, range, lists };
  }

  /** What cannot be sent now goes out in the next window: no reason to void this one. */
  async sendVerdicts(client: ProofClient): Promise<void> {
    const { verdicts } = this.#tools;
    for (const statement of verdicts.unsent.slice(0, MAX_VERDICTS_PER_WINDOW)) {
      try {
        await client.sendVerdict(statement);
        this.verdictsSent++;
      } catch (error) {
        if (isMetersealError(error, 'unreachable', 'rate-limited', 'timeout', 'too-large')) return;
        if (!isMetersealError(error, 'statement-refused')) throw error;
      }
      // Taken, or refused for good, as one about an epoch that has ended: it is kept, and not sent again.
      this.settled.push(statement);
    }
  }
}

/** @returns what keeps it from aborting */
function abortAfter(clock: Clock, ms: number, late: AbortController): () => void {
  const disarmed = new AbortController();
  void clock.sleep(ms, disarmed.signal).then(() => {
    if (!disarmed.signal.aborted) late.abort();
  });
  return () => disarmed.abort();
}

async function tryRelease(tools: WindowTools, wish: LeaseWish): Promise<Release> {
  try {
    return await releaseLease(tools.lease, wish, new AbortController().signal);
  } catch (error) {
    if (isMetersealError(error, 'commit-failed', 'disk-full')) throw error;
    // The switch isolates by itself when the lease runs out.
    return 'unknown';
  }
}
