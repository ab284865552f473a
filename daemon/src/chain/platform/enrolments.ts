import { timingSafeEqual } from 'node:crypto';
import type {
  Box,
  ConfirmAnswer,
  ConfirmRequest,
  EnrolmentAnswer,
  EnrolmentRequest,
  KeyOrigin,
  Random,
} from '@meterseal/protocol';
import {
  enrolmentMessage,
  equalBytes,
  fromBase64,
  holderBytes,
  holderCommitment,
  keyFromBase64,
  MetersealError,
  meterCommitment,
  sealOffer,
  toBase64,
  toHex,
  utf8,
} from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import type { Draft } from '../draft.js';
import { enrolmentDigest } from '../enrolment-row.js';
import type { HourlyLimit } from '../hourly-limit.js';
import { assertDistinct } from './distinct-keys.js';
import type { MeterDirectory } from './meter-directory.js';
import type { RosterEntry, RosterSource } from './roster.js';

export type EnrolmentParts = {
  readonly chain: Chain;
  readonly roster: RosterSource;
  readonly directory: MeterDirectory;
  readonly random: Random;
  readonly box: Box;
  readonly collectorKeys: readonly Uint8Array[];
  /** Wrong codes by meter: a code cannot be found by trying. */
  readonly wrongCodes: HourlyLimit;
  /** Conflict events by subject. */
  readonly conflicts: HourlyLimit;
};

/** What a meter was offered and has not confirmed yet. In memory only: after a restart it asks again. */
type Offer = {
  readonly meter: string;
  readonly subject: number;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  readonly identityKey: Uint8Array;
  readonly keyOrigin: KeyOrigin;
  readonly codeHash: Uint8Array;
};

/** Step 1 of the protocol, the platform's side: request and confirmation. Only the confirmation reaches the chain. */
export class Enrolments {
  readonly #parts: EnrolmentParts;
  readonly #offers = new Map<string, Offer>();
  #highestOffered = 0;

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /**
   * Checks meter, holder and code against the roster, and makes an offer; asking again replaces it.
   *
   * @throws MetersealError `unknown-meter`, `revoked`, `wrong-holder`, `wrong-code`, `rate-limited`, `code-used`,
   *   `already-enrolled`, `bad-key`, `bad-roster`
   */
  async request(request: EnrolmentRequest): Promise<EnrolmentAnswer> {
    const { directory, random, roster } = this.#parts;
    const { codeHash } = this.#listed(request, (await roster.current()).get(request.meter));
    const ownKey = 'publicKey' in request ? keyFromBase64(request.publicKey) : undefined;
    await this.#refuseEnrolled(request.meter, codeHash, ownKey);

    const nonce = random(32);
    const { identityKey, keyOrigin, offer } =
      'sealTo' in request ? this.#issue(request.sealTo) : own(keyFromBase64(request.publicKey));
    const known = directory.find(request.meter) ?? this.#offers.get(request.meter);
    const subject = known?.subject ?? this.#nextSubject();
    const salt = known?.salt ?? random(16);
    this.#offers.set(request.meter, {
      meter: request.meter,
      subject,
      salt,
      nonce,
      identityKey,
      keyOrigin,
      codeHash,
    });
    return {
      publicKey: toBase64(identityKey),
      subject,
      salt: toBase64(salt),
      nonce: toBase64(nonce),
      ...(offer === undefined ? {} : { offer: toBase64(offer) }),
    };
  }

  /**
   * Commits the enrolment that the identity key signs for, and spends its code. The same again: the same answer.
   *
   * @throws MetersealError `no-offer`, `bad-signature`, `already-enrolled`, `bad-key`
   */
  async confirm(request: ConfirmRequest): Promise<ConfirmAnswer> {
    const { chain, directory, roster } = this.#parts;
    const identityKey = keyFromBase64(request.publicKey);
    const signature = fromBase64(request.signature, 'bad-message');
    const known = directory.find(request.meter);
    if (known !== undefined) {
      const { result: done } = await chain.append(({ state }) => {
        const subject = state.subjects.get(known.subject)!;
        const same = !subject.revoked && equalBytes(subject.identityKey, identityKey);
        return same ? { index: subject.enrolment, firstSeq: subject.firstSeq } : undefined;
      });
      if (done !== undefined) {
        this.#assertSigned({ ...known, identityKey }, signature);
        return done;
      }
    }
    const offer = this.#offers.get(request.meter);
    const listed = (await roster.current()).get(request.meter);
    const stands = listed !== undefined && !listed.revoked && offer !== undefined;
    if (
      !stands ||
      !equalBytes(offer.identityKey, identityKey) ||
      !equalBytes(offer.codeHash, listed.codeHash)
    ) {
      throw new MetersealError('no-offer', "couldn't confirm enrolment: no such offer is open", {
        hint: 'Ask for the enrolment again with the same code: offers are forgotten at a restart.',
      });
    }
    this.#assertSigned(offer, signature);
    const { result } = await chain.append((draft) => this.#enrol(draft, offer, listed));
    this.#offers.delete(offer.meter);
    if (directory.find(offer.meter) === undefined) directory.add(offer);
    directory.enrolled(offer.subject, offer.nonce, offer.codeHash);
    return result;
  }

  #listed(request: EnrolmentRequest, entry: RosterEntry | undefined): RosterEntry {
    const { chain, wrongCodes } = this.#parts;
    if (entry?.revoked) {
      throw new MetersealError('revoked', "couldn't enrol meter: the roster says that it is revoked", {
        hint: 'To enrol it again give it a new code on the roster and take `revoked` away.',
      });
    }
    if (entry === undefined) {
      throw new MetersealError('unknown-meter', "couldn't enrol meter: it is not on the roster", {
        hint: 'Put the meter on the roster of the platform.',
      });
    }
    if (!equalBytes(holderBytes(request.holder), holderBytes(entry.holder))) {
      throw new MetersealError(
        'wrong-holder',
        "couldn't enrol meter: the holder's data are not those of the roster",
        {
          hint: 'Compare the holder in the configuration with the roster: every field counts.',
        },
      );
    }
    const codeHash = chain.engine.sha256(utf8(request.code));
    if (!timingSafeEqual(codeHash, entry.codeHash)) {
      if (!wrongCodes.take(request.meter, chain.clock.monotonic())) {
        throw new MetersealError('rate-limited', "couldn't enrol meter: too many wrong codes", {
          hint: 'Wait an hour, or give the meter a new code on the roster.',
        });
      }
      throw new MetersealError('wrong-code', "couldn't enrol meter: the code is not the roster's", {
        hint: 'Compare the code file with the one that `roster add` wrote.',
      });
    }
    return entry;
  }

  /** A meter has one identity at a time. A second box that asks for it is refused, and the chain tells. */
  async #refuseEnrolled(meter: string, codeHash: Uint8Array, ownKey: Uint8Array | undefined): Promise<void> {
    const { chain, directory, conflicts } = this.#parts;
    const known = directory.find(meter);
    const { result: refusal } = await chain.append((draft) => {
      if (ownKey !== undefined) this.#assertUnused(draft, ownKey, known?.subject);
      if (known === undefined) return undefined;
      const spent = known.spentCodes.has(toHex(codeHash));
      if (!spent && draft.state.subjects.get(known.subject)!.revoked) return undefined;
      const { subject } = known;
      if (conflicts.take(subject, chain.clock.monotonic())) {
        draft.addEvent({ kind: 'conflict', subject, what: 'enrolment' }, subject);
      }
      return spent ? 'code-used' : 'already-enrolled';
    });
    if (refusal === 'code-used') {
      throw new MetersealError('code-used', "couldn't enrol meter: its code was used before", {
        hint: 'A code is good once. Revoke the meter and give it a new code on the roster to enrol it again.',
      });
    }
    if (refusal === 'already-enrolled') {
      throw new MetersealError('already-enrolled', "couldn't enrol meter: it is enrolled", {
        hint: 'Revoke it on the roster first if its identity key is lost.',
      });
    }
  }

  #issue(sealTo: string): { identityKey: Uint8Array; keyOrigin: KeyOrigin; offer: Uint8Array } {
    const { random, box, chain } = this.#parts;
    const to = fromBase64(sealTo, 'bad-key');
    const seed = random(32);
    const key = chain.engine.keyFromSeed(seed);
    try {
      return { identityKey: key.publicKey, keyOrigin: 'issued', offer: sealOffer(box, random, seed, to) };
    } finally {
      seed.fill(0);
      key.destroy();
    }
  }

  #nextSubject(): number {
    this.#highestOffered = Math.max(this.#highestOffered, this.#parts.directory.highest) + 1;
    return this.#highestOffered;
  }

  #assertSigned(
    offer: Pick<Offer, 'meter' | 'subject' | 'salt' | 'nonce' | 'identityKey'>,
    signature: Uint8Array,
  ): void {
    const { engine, platformId } = this.#parts.chain;
    const { subject, identityKey, nonce } = offer;
    const commitment = meterCommitment(engine, offer.salt, offer.meter);
    const message = enrolmentMessage({ platformId, meter: { subject, commitment }, nonce, identityKey });
    if (!engine.verify(identityKey, message, signature)) {
      throw new MetersealError(
        'bad-signature',
        "couldn't confirm enrolment: the identity key did not sign it",
      );
    }
  }

  #assertUnused({ state }: Draft, key: Uint8Array, subject: number | undefined): void {
    const { chain, collectorKeys } = this.#parts;
    assertDistinct(key, { state, logKey: chain.logKey, collectorKeys }, subject);
  }

  #enrol(draft: Draft, offer: Offer, listed: RosterEntry): ConfirmAnswer {
    const { engine } = this.#parts.chain;
    const { meter, subject, salt, nonce, identityKey, keyOrigin, codeHash } = offer;
    const known = draft.state.subjects.get(subject);
    if (known !== undefined && !known.revoked) {
      // The same confirmation, twice in one block.
      if (equalBytes(known.identityKey, identityKey))
        return { index: known.enrolment, firstSeq: known.firstSeq };
      throw new MetersealError('already-enrolled', "couldn't confirm enrolment: the meter is enrolled");
    }
    this.#assertUnused(draft, identityKey, subject);
    const holderSalt = this.#parts.random(16);
    const firstSeq = known === undefined ? 1 : known.last.seq + 1;
    const index = draft.add({
      type: 'enrolment',
      subject,
      seq: 0,
      meterCommitment: meterCommitment(engine, salt, meter),
      identityKey,
      holderCommitment: holderCommitment(engine, holderSalt, listed.holder),
      keyOrigin,
      firstSeq,
    });
    if (known === undefined) draft.meters.push({ subject, meter, salt });
    const row = { index, subject, codeHash, holderSalt, nonce };
    draft.enrolments.push({ ...row, digest: enrolmentDigest(engine, row) });
    return { index, firstSeq };
  }
}

function own(identityKey: Uint8Array): { identityKey: Uint8Array; keyOrigin: KeyOrigin; offer?: Uint8Array } {
  return { identityKey, keyOrigin: 'own' };
}
