import type { Entry, EntryOf, KeyOrigin, SwitchState } from '@meterseal/protocol';
import { equalBytes, MetersealError, toHex } from '@meterseal/protocol';

/** What the chain says of one meter. */
export type SubjectState = {
  readonly subject: number;
  readonly commitment: Uint8Array;
  identityKey: Uint8Array;
  keyOrigin: KeyOrigin;
  /** Index of its last entry 01. */
  enrolment: number;
  /** By an event after its last entry 01. */
  revoked: boolean;
  /** First number of its last entry 01. */
  firstSeq: number;
  /** The last reading; before the first one `seq` is the number before the first due. */
  last: { seq: number; hash: Uint8Array | null; index: number };
  /** Number of its last session; a new one ends the one before. 0: none since the last entry 01. */
  session: number;
  /** The last accepted authentication: only this one can still open a session, once. */
  authentication: { index: number; messageHash: Uint8Array; used: boolean } | null;
  /** The last acknowledgement by collector key in hex. */
  readonly acknowledged: Map<string, { seq: number; first: number; runningHash: Uint8Array; index: number }>;
};

/** The last transition of the isolation switch; `seq` 0 and `isolated` before the first. */
export type SwitchPosition = { readonly seq: number; readonly to: SwitchState };

const ZERO_KEY = new Uint8Array(32);

/**
 * What the entries of the chain add up to. Commit and recovery feed it the same entries through the same `apply`, which
 * refuses an entry that breaks a rule of docs/formats.md: whoever makes an entry checks first.
 */
export class LedgerState {
  /** Entries so far. */
  size = 0;
  /** Blocks so far. */
  height = 0;
  /** Root at the end of the last block; that of the empty tree before the first. */
  root: Uint8Array;
  epoch = 0;
  logKey: Uint8Array | null = null;
  lastSession = 0;
  lastEvent = 0;
  lastVerdict = 0;
  lastAnchor = 0;
  switchPosition: SwitchPosition = { seq: 0, to: 'isolated' };
  readonly subjects = new Map<number, SubjectState>();
  /** Highest lease counter by collector key in hex. */
  readonly leaseCounters = new Map<string, number>();
  readonly #identities = new Map<string, number>();
  #blockStart = 0;

  /** @param emptyRoot root of the tree without leaves */
  constructor(emptyRoot: Uint8Array) {
    this.root = emptyRoot;
  }

  /** The subject that an identity key belongs to, or once belonged to. */
  ownerOf(identityKey: Uint8Array): number | undefined {
    return this.#identities.get(toHex(identityKey));
  }

  /** Entries since the last block-close. */
  get open(): number {
    return this.size - this.#blockStart;
  }

  /**
   * @param index where the entry stands
   * @throws MetersealError `chain-damaged` if it cannot stand there
   */
  apply(entry: Entry, index: number): void {
    if (index !== this.size) refuse(`entry ${index} does not follow entry ${this.size - 1}`);
    if ((entry.type === 'epoch') !== (index === 0)) refuse(`entry ${index}: a chain starts with its epoch`);
    const broken = this.#change(entry, index);
    if (broken !== undefined) refuse(`entry ${index} (${entry.type}): ${broken}`);
    this.size = index + 1;
  }

  /** Ends the block whose block-close was applied last. */
  endBlock(root: Uint8Array): void {
    this.root = root;
    this.height++;
    this.#blockStart = this.size;
  }

  /** Changes the state, or says which rule the entry breaks and changes nothing. */
  #change(entry: Entry, index: number): string | undefined {
    switch (entry.type) {
      case 'epoch':
        this.epoch = entry.seq;
        this.logKey = entry.logKey;
        return undefined;
      case 'enrolment':
        return this.#enrol(entry, index);
      case 'authentication':
        return this.#authenticate(entry, index);
      case 'session':
        return this.#openSession(entry);
      case 'reading':
        return this.#read(entry, index);
      case 'acknowledgement':
        return this.#acknowledge(entry, index);
      case 'switch':
        return this.#transit(entry);
      case 'event':
        return this.#note(entry);
      case 'verdict':
        if (entry.seq !== this.lastVerdict + 1) return `number ${entry.seq} after ${this.lastVerdict}`;
        this.lastVerdict = entry.seq;
        return undefined;
      case 'anchor':
        if (entry.seq !== this.lastAnchor + 1) return `number ${entry.seq} after ${this.lastAnchor}`;
        this.lastAnchor = entry.seq;
        return undefined;
      case 'block-close':
        return this.#checkClose(entry);
    }
  }

  #enrol(entry: EntryOf<'enrolment'>, index: number): string | undefined {
    const { subject, meterCommitment, identityKey, keyOrigin, firstSeq } = entry;
    const known = this.subjects.get(subject);
    const owner = this.ownerOf(identityKey);
    if (owner !== undefined && owner !== subject) return `the identity key of subject ${owner}`;
    if (known === undefined) {
      this.subjects.set(subject, {
        subject,
        commitment: meterCommitment,
        identityKey,
        keyOrigin,
        enrolment: index,
        firstSeq,
        revoked: false,
        last: { seq: firstSeq - 1, hash: null, index: 0 },
        session: 0,
        authentication: null,
        acknowledged: new Map(),
      });
    } else {
      if (!equalBytes(known.commitment, meterCommitment)) return 'another commitment for a known subject';
      if (firstSeq !== known.last.seq + 1)
        return `first number ${firstSeq} where ${known.last.seq + 1} is due`;
      Object.assign(known, { identityKey, keyOrigin, enrolment: index, firstSeq, revoked: false });
      Object.assign(known, { session: 0, authentication: null });
    }
    this.#identities.set(toHex(identityKey), subject);
    return undefined;
  }

  #authenticate(entry: EntryOf<'authentication'>, index: number): string | undefined {
    const subject = this.subjects.get(entry.subject);
    if (entry.subject !== 0 && subject === undefined) return 'an unknown subject';
    if (entry.result === 'rejected') return undefined;
    if (subject === undefined || subject.revoked) return 'accepted for a subject that is not enrolled';
    subject.authentication = { index, messageHash: entry.messageHash, used: false };
    return undefined;
  }

  #openSession(entry: EntryOf<'session'>): string | undefined {
    const subject = this.subjects.get(entry.subject);
    if (subject === undefined || subject.revoked) return 'a subject that is not enrolled';
    if (entry.seq !== this.lastSession + 1) return `number ${entry.seq} after ${this.lastSession}`;
    const { authentication } = subject;
    if (authentication?.index !== entry.authentication) return 'not of the last accepted authentication';
    if (authentication.used) return 'a second session of one authentication';
    authentication.used = true;
    subject.session = entry.seq;
    this.lastSession = entry.seq;
    return undefined;
  }

  #read(entry: EntryOf<'reading'>, index: number): string | undefined {
    const subject = this.subjects.get(entry.subject);
    if (subject === undefined || subject.revoked) return 'a subject that is not enrolled';
    if (entry.session !== subject.session) return `session ${entry.session} where ${subject.session} is open`;
    if (entry.seq !== subject.last.seq + 1) return `number ${entry.seq} after ${subject.last.seq}`;
    subject.last = { seq: entry.seq, hash: entry.hash, index };
    return undefined;
  }

  #acknowledge(entry: EntryOf<'acknowledgement'>, index: number): string | undefined {
    const subject = this.subjects.get(entry.subject);
    if (subject === undefined) return 'an unknown subject';
    const key = toHex(entry.collectorKey);
    const last = subject.acknowledged.get(key);
    if (last !== undefined && entry.seq < last.seq) return `height ${entry.seq} after ${last.seq}`;
    const { seq, first, runningHash } = entry;
    subject.acknowledged.set(key, { seq, first, runningHash, index });
    return undefined;
  }

  #transit(entry: EntryOf<'switch'>): string | undefined {
    const { seq, from, to, who, counter } = entry;
    if (seq !== this.switchPosition.seq + 1) return `number ${seq} after ${this.switchPosition.seq}`;
    if (from !== this.switchPosition.to) return `from ${from} where ${this.switchPosition.to} is the state`;
    if (to === 'connecting' && !equalBytes(who, ZERO_KEY)) {
      const key = toHex(who);
      if (counter <= (this.leaseCounters.get(key) ?? 0)) return 'a lease counter that does not rise';
      this.leaseCounters.set(key, counter);
    }
    this.switchPosition = { seq, to };
    return undefined;
  }

  #note(entry: EntryOf<'event'>): string | undefined {
    const subject = this.subjects.get(entry.subject);
    if (entry.subject !== 0 && subject === undefined) return 'an unknown subject';
    if (entry.seq !== this.lastEvent + 1) return `number ${entry.seq} after ${this.lastEvent}`;
    if (entry.event.kind === 'revocation' && subject !== undefined) {
      Object.assign(subject, { revoked: true, session: 0, authentication: null });
    }
    this.lastEvent = entry.seq;
    return undefined;
  }

  #checkClose(entry: EntryOf<'block-close'>): string | undefined {
    if (entry.seq !== this.height + 1) return `height ${entry.seq} after ${this.height}`;
    if (entry.firstIndex !== this.#blockStart)
      return `first index ${entry.firstIndex}, not ${this.#blockStart}`;
    if (entry.count !== this.open) return `${entry.count} entries, not ${this.open}`;
    if (!equalBytes(entry.previousRoot, this.root)) return 'another previous root';
    return undefined;
  }
}

function refuse(what: string): never {
  throw new MetersealError('chain-damaged', `couldn't apply entries: ${what}`, {
    hint: 'Run `meterseal fsck`; restore chain.db from its backup, and keep the damaged one.',
  });
}
