import type { Entry, EntryOf, Policy, Verifier } from '@meterseal/protocol';
import { equalBytes, sessionMessage, toHex } from '@meterseal/protocol';

export type EntryPlace = {
  readonly height: number;
  readonly firstIndex: number;
  /** Entries of the block before this one. */
  readonly before: number;
  readonly previousRoot: Uint8Array;
};

export type SubjectSeen = {
  readonly commitment: Uint8Array;
  readonly identityKey: Uint8Array;
  /** The number due next. */
  next: number;
};

/**
 * The rules of docs/formats.md that span entries: who may say what, which number is due, which signature must stand. Told a
 * second time, apart from the ledger state, so that one is checked by the other.
 */
export class EntryInvariants {
  readonly subjects = new Map<number, SubjectSeen>();
  /** Subject by the index of each entry 01. */
  readonly enrolments = new Map<number, number>();
  readonly verdicts = new Map<number, EntryOf<'verdict'>>();
  /** Of the epoch, as the policy's key for it is named. */
  origin = '';
  readonly #policy: Policy;
  readonly #verifier: Verifier;
  readonly #find: (finding: string) => void;
  readonly #accepted = new Map<number, { subject: number; messageHash: Uint8Array }>();
  /** Session number → subject. */
  readonly #sessions = new Map<number, number>();
  readonly #acknowledged = new Map<string, number>();
  readonly #leases = new Map<string, number>();
  readonly #counters = new Map<string, number>();
  #switchState = 'isolated';

  constructor(policy: Policy, verifier: Verifier, find: (finding: string) => void) {
    this.#policy = policy;
    this.#verifier = verifier;
    this.#find = find;
  }

  #expect(holds: boolean, what: string): void {
    if (!holds) this.#find(what);
  }

  /** The number of an entry that counts from 1 without gaps. */
  #counts(name: string, seq: number, index: number): void {
    const due = (this.#counters.get(name) ?? 0) + 1;
    this.#expect(seq === due, `entry ${index}: ${name} ${seq} where ${due} is due`);
    this.#counters.set(name, seq);
  }

  /**
   * @param index where the entry stands
   * @param place of the entry in its block, and the root that the block builds on
   */
  check(entry: Entry, index: number, place: EntryPlace): void {
    this.#expect((entry.type === 'epoch') === (index === 0), `entry ${index}: the epoch is not at the start`);
    const subject = this.subjects.get(entry.subject);
    const known = entry.subject === 0 || subject !== undefined || entry.type === 'enrolment';
    this.#expect(known, `entry ${index}: an unknown subject ${entry.subject}`);
    switch (entry.type) {
      case 'epoch': {
        const log = this.#policy.logs.find(({ key }) => equalBytes(key.publicKey, entry.logKey));
        this.#expect(log !== undefined, `entry ${index}: the policy does not know its log key`);
        this.origin = log?.key.name ?? '';
        this.#expect(
          this.origin.endsWith(`/${entry.seq}`),
          `entry ${index}: another epoch than the key's name says`,
        );
        break;
      }
      case 'enrolment':
        this.#enrolment(entry, index, subject);
        break;
      case 'authentication':
        if (entry.result === 'accepted') this.#accepted.set(index, entry);
        break;
      case 'session':
        this.#session(entry, index, subject);
        break;
      case 'reading': {
        const owner = this.#sessions.get(entry.session);
        this.#expect(owner === entry.subject, `entry ${index}: session ${entry.session} is not its meter's`);
        if (subject === undefined) return;
        this.#expect(
          entry.seq === subject.next,
          `entry ${index}: reading ${entry.seq} where ${subject.next} is due`,
        );
        subject.next = entry.seq + 1;
        break;
      }
      case 'switch':
        this.#switch(entry, index);
        break;
      case 'acknowledgement': {
        const name = `${entry.subject} ${toHex(entry.collectorKey)}`;
        const rises = entry.seq >= (this.#acknowledged.get(name) ?? 0);
        this.#expect(rises, `entry ${index}: an acknowledged height that falls`);
        this.#acknowledged.set(name, entry.seq);
        break;
      }
      case 'verdict':
        this.verdicts.set(index, entry);
        this.#counts('verdict', entry.seq, index);
        break;
      case 'event':
      case 'anchor':
        this.#counts(entry.type, entry.seq, index);
        break;
      case 'block-close': {
        this.#counts('block-close', entry.seq, index);
        this.#expect(entry.seq === place.height, `entry ${index}: another height than its block's`);
        this.#expect(
          equalBytes(entry.previousRoot, place.previousRoot),
          `entry ${index}: another previous root`,
        );
        const right = entry.firstIndex === place.firstIndex && entry.count === place.before;
        this.#expect(right, `entry ${index}: another extent than its block's`);
        break;
      }
    }
  }

  #enrolment(entry: EntryOf<'enrolment'>, index: number, known: SubjectSeen | undefined): void {
    const { meterCommitment: commitment, identityKey, firstSeq } = entry;
    if (known !== undefined) {
      this.#expect(
        equalBytes(commitment, known.commitment),
        `entry ${index}: another commitment for its subject`,
      );
      this.#expect(
        firstSeq === known.next,
        `entry ${index}: first number ${firstSeq} where ${known.next} is due`,
      );
    }
    for (const [other, { identityKey: taken }] of this.subjects) {
      const shared = other !== entry.subject && equalBytes(taken, identityKey);
      this.#expect(!shared, `entry ${index}: the identity key of subject ${other}`);
    }
    this.subjects.set(entry.subject, { commitment, identityKey, next: firstSeq });
    this.enrolments.set(index, entry.subject);
  }

  #session(entry: EntryOf<'session'>, index: number, subject: SubjectSeen | undefined): void {
    this.#counts('session', entry.seq, index);
    this.#sessions.set(entry.seq, entry.subject);
    const accepted = this.#accepted.get(entry.authentication);
    if (accepted === undefined || accepted.subject !== entry.subject) {
      this.#find(`entry ${index}: a session without an accepted authentication of its own`);
      return;
    }
    this.#accepted.delete(entry.authentication);
    // Without a known origin that has been found already.
    if (subject === undefined || this.origin === '') return;
    const message = sessionMessage({
      origin: this.origin,
      meter: { subject: entry.subject, commitment: subject.commitment },
      authenticationHash: accepted.messageHash,
      sessionKey: entry.sessionKey,
    });
    const signed = this.#verifier.verify(subject.identityKey, message, entry.signature);
    this.#expect(signed, `entry ${index}: the identity key did not sign the session`);
  }

  #switch(entry: EntryOf<'switch'>, index: number): void {
    this.#counts('switch', entry.seq, index);
    this.#expect(
      entry.from === this.#switchState,
      `entry ${index}: from ${entry.from}, not ${this.#switchState}`,
    );
    this.#switchState = entry.to;
    if (entry.to !== 'connecting' || entry.who.every((byte) => byte === 0)) return;
    const key = toHex(entry.who);
    this.#expect(
      entry.counter > (this.#leases.get(key) ?? 0),
      `entry ${index}: a lease counter that does not rise`,
    );
    this.#leases.set(key, entry.counter);
  }
}
