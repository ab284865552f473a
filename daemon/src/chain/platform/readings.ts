import type { ReadingFrame, ReadingResult, ReadingResultCode, ReadingsAnswer } from '@meterseal/protocol';
import {
  concat,
  decodeRecord,
  decodeSubmission,
  equalBytes,
  isMetersealError,
  MetersealError,
  pack,
  readingHash,
  SEAL_SIGNATURE_BYTES,
  toHex,
} from '@meterseal/protocol';
import { nextTurn } from '../../host/next-turn.js';
import type { Chain } from '../commit.js';
import type { Draft } from '../draft.js';
import { EntryLookup } from '../find-entry.js';
import type { HourlyLimit } from '../hourly-limit.js';
import type { MeterDirectory } from './meter-directory.js';
import type { OpenSession, Sessions } from './sessions.js';

export type ReadingParts = {
  readonly chain: Chain;
  readonly directory: MeterDirectory;
  readonly sessions: Sessions;
  /** Conflict events by subject. */
  readonly conflicts: HourlyLimit;
};

/** Frames that are read before other work gets its turn: about 2 ms. */
const FRAMES_PER_TURN = 128;

/** What a frame claims, before anything of it is believed: "this is reading `seq` of that meter". */
type Claim = { readonly subject: number; readonly seq: number; readonly hash: Uint8Array };

type Examined = {
  readonly claim: Claim | undefined;
  readonly session: OpenSession | undefined;
  /** Why the frame is no good, apart from its number. */
  readonly refusal: ReadingResultCode | undefined;
  readonly sealSignature: Uint8Array;
};

/** A reading that the chain holds; null: it was looked for and is not there. */
type Held = { readonly hash: Uint8Array; readonly index: number } | null;

/**
 * Step 4 of the protocol, the platform's side: opens seals and commits the hashes. Per meter exactly the next number is
 * accepted; docs/chain.md lists the rules in the order in which they are asked.
 */
export class Readings {
  readonly #parts: ReadingParts;

  constructor(parts: ReadingParts) {
    this.#parts = parts;
  }

  /**
   * @param body a submission, see frames.ts of the protocol
   * @returns one result per frame, in order, after the commit
   * @throws MetersealError `bad-message` for bad framing: then nothing is committed
   */
  async submit(body: Uint8Array): Promise<ReadingsAnswer> {
    const { chain } = this.#parts;
    const frames = decodeSubmission(body);
    const received = chain.clock.monotonic();
    const opened = await this.#open(frames);
    const examined: Examined[] = [];
    for (const [i, frame] of frames.entries()) {
      if (i > 0 && i % FRAMES_PER_TURN === 0) await nextTurn();
      examined.push(this.#examine(frame, opened[i] === 1, received));
    }
    const held = new Map<string, Held>();
    // Again where another submission has committed some of these numbers while they were looked for: each try finds at
    // least one more of them.
    for (let tries = 0; tries <= examined.length; tries++) {
      await this.#lookUp(examined, held);
      const { result: results, note } = await chain.append((draft) => this.#judge(draft, examined, held));
      if (results !== undefined) return { checkpoint: note, results };
    }
    throw new MetersealError(
      'chain-damaged',
      "couldn't judge readings: the chain has numbers that cannot be found",
    );
  }

  /** For each frame 1 where its seal is good under the key of its session. */
  async #open(frames: readonly ReadingFrame[]): Promise<Uint8Array> {
    const { chain, sessions } = this.#parts;
    const places = new Map<number, number>();
    const keys: Uint8Array[] = [];
    const known: number[] = [];
    for (const [i, { session: number }] of frames.entries()) {
      const session = sessions.find(number);
      if (session === undefined) continue;
      if (!places.has(number)) places.set(number, keys.push(session.key) - 1);
      known.push(i);
    }
    const opened = new Uint8Array(frames.length);
    const good = await chain.engine.openBatch({
      keys: concat(...keys),
      keyOf: Uint32Array.from(known, (i) => places.get(frames[i]!.session)!),
      ...pack(known.map((i) => frames[i]!.sealed)),
    });
    for (const [place, i] of known.entries()) opened[i] = good[place]!;
    return opened;
  }

  #examine({ session: number, sealed }: ReadingFrame, isOpened: boolean, received: number): Examined {
    const { chain, directory, sessions } = this.#parts;
    const sealSignature = sealed.slice(0, SEAL_SIGNATURE_BYTES);
    const recordBytes = sealed.slice(SEAL_SIGNATURE_BYTES);
    const record = tryDecode(recordBytes);
    const known = record === undefined ? undefined : directory.find(record.meter);
    const claim =
      record === undefined || known === undefined
        ? undefined
        : { subject: known.subject, seq: record.seq, hash: readingHash(chain.engine, recordBytes) };
    const session = sessions.find(number);
    const refuse = (refusal: ReadingResultCode): Examined => ({ claim, session, refusal, sealSignature });
    if (session === undefined) return refuse('session-unknown');
    if (received >= session.endsAt) return refuse('session-expired');
    if (!isOpened) return refuse('seal-invalid');
    if (record === undefined) return refuse('record-invalid');
    if (record.meter !== session.meter) return refuse('meter-mismatch');
    return { claim, session, refusal: undefined, sealSignature };
  }

  /** Finds what the chain holds under the claimed numbers, as far as that is not found already. */
  async #lookUp(examined: readonly Examined[], held: Map<string, Held>): Promise<void> {
    const { chain } = this.#parts;
    const lookup = new EntryLookup(chain.reader);
    for (const { claim } of examined) {
      if (claim === undefined || held.get(nameOf(claim))) continue;
      // The common case, a new number, costs no look at the disk.
      if (claim.seq > chain.highest(claim.subject)) continue;
      const found = await lookup.find('reading', claim.subject, claim.seq);
      held.set(nameOf(claim), found === undefined ? null : { hash: found.entry.hash, index: found.index });
    }
  }

  /** One result per frame; undefined, and nothing added, if `held` is older than the state. */
  #judge(
    draft: Draft,
    examined: readonly Examined[],
    held: ReadonlyMap<string, Held>,
  ): ReadingResult[] | undefined {
    const { subjects } = draft.state;
    for (const { claim } of examined) {
      if (claim === undefined) continue;
      const { last, firstSeq } = subjects.get(claim.subject)!;
      const mustBeHeld = claim.seq >= firstSeq && claim.seq <= last.seq;
      if (mustBeHeld && (held.get(nameOf(claim)) ?? null) === null) return undefined;
    }
    const now = new Map(held);
    /** Subjects of which a frame of this submission was refused. */
    const refused = new Set<number>();
    return examined.map((frame) => {
      const { claim, session, refusal } = frame;
      const known = claim === undefined ? null : (now.get(nameOf(claim)) ?? null);
      if (claim !== undefined && known !== null && equalBytes(known.hash, claim.hash)) {
        return { code: 'duplicate', index: known.index };
      }
      const subject = session?.subject ?? claim?.subject;
      if (subject !== undefined && refused.has(subject)) return { code: 'sequence-gap' };
      const code = refusal ?? this.#refusalOf(draft, claim!, session!, known);
      if (code !== undefined) {
        if (subject !== undefined) refused.add(subject);
        return { code };
      }
      const index = this.#accept(draft, frame, claim!, session!);
      now.set(nameOf(claim!), { hash: claim!.hash, index });
      return { code: 'accepted', index };
    });
  }

  /** Why a well-sealed reading cannot be the next one; a conflict is told to the chain. */
  #refusalOf(draft: Draft, claim: Claim, session: OpenSession, known: Held): ReadingResultCode | undefined {
    const { chain, conflicts } = this.#parts;
    const { last, session: open } = draft.state.subjects.get(claim.subject)!;
    if (session.number !== open) return 'session-unknown';
    if (session.readingsLeft === 0) return 'session-expired';
    if (known !== null) {
      const { subject, seq, hash } = claim;
      if (conflicts.take(subject, chain.clock.monotonic())) {
        draft.addEvent({ kind: 'conflict', subject, what: 'reading', seq, hash: toHex(hash) }, subject);
      }
      return 'conflict';
    }
    return claim.seq === last.seq + 1 ? undefined : 'sequence-gap';
  }

  #accept(draft: Draft, { sealSignature }: Examined, claim: Claim, session: OpenSession): number {
    session.readingsLeft--;
    const { subject, seq, hash } = claim;
    return draft.add({ type: 'reading', subject, seq, session: session.number, hash, sealSignature });
  }
}

function nameOf({ subject, seq }: Claim): string {
  return `${subject} ${seq}`;
}

function tryDecode(bytes: Uint8Array): { meter: string; seq: number } | undefined {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (isMetersealError(error, 'bad-record')) return undefined;
    throw error;
  }
}
