import type { SessionAnswer, SessionRequest } from '@meterseal/protocol';
import { fromBase64, keyFromBase64, MetersealError, sessionMessage, toBase64 } from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import { assertDistinct } from './distinct-keys.js';
import type { MeterDirectory } from './meter-directory.js';

/** A session that is open: in memory only, a restart forgets it. */
export type OpenSession = {
  readonly number: number;
  readonly subject: number;
  readonly meter: string;
  readonly key: Uint8Array;
  /** Monotonic milliseconds. */
  readonly endsAt: number;
  /** How many more readings it may seal. */
  readingsLeft: number;
};

export type SessionLimits = {
  /** Milliseconds. */
  readonly lifeMs: number;
  readonly readings: number;
};

export type SessionParts = {
  readonly chain: Chain;
  readonly directory: MeterDirectory;
  readonly collectorKeys: readonly Uint8Array[];
  readonly limits: SessionLimits;
};

/** Step 3 of the protocol, the platform's side: one session for each accepted authentication, one at a time per meter. */
export class Sessions {
  readonly #parts: SessionParts;
  readonly #open = new Map<number, OpenSession>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** Sessions that have not expired. */
  get count(): number {
    const now = this.#parts.chain.clock.monotonic();
    return [...this.#open.values()].filter(({ endsAt }) => now < endsAt).length;
  }

  find(number: number): OpenSession | undefined {
    return this.#open.get(number);
  }

  /** Ends whatever session a meter has. */
  end(subject: number): void {
    for (const session of this.#open.values())
      if (session.subject === subject) this.#open.delete(session.number);
  }

  /**
   * @throws MetersealError `unknown-meter`, `revoked`, `authentication-unknown`, `authentication-used`, `bad-signature`,
   *   `bad-key`
   */
  async open(request: SessionRequest): Promise<SessionAnswer> {
    const { chain, directory, collectorKeys, limits } = this.#parts;
    const { engine, origin } = chain;
    const key = keyFromBase64(request.publicKey);
    const signature = fromBase64(request.signature, 'bad-message');
    const endsAt = chain.clock.monotonic() + limits.lifeMs;
    const known = directory.find(request.meter);
    if (known === undefined) {
      throw new MetersealError('unknown-meter', "couldn't open session: the meter is not enrolled");
    }
    const { subject, meter } = known;

    const { result } = await chain.append((draft) => {
      const { identityKey, commitment, authentication, revoked, last } = draft.state.subjects.get(subject)!;
      if (revoked)
        throw new MetersealError('revoked', "couldn't open session: the meter's identity is revoked");
      if (authentication?.index !== request.authentication) {
        throw new MetersealError(
          'authentication-unknown',
          "couldn't open session: not the meter's last accepted authentication",
        );
      }
      if (authentication.used) {
        throw new MetersealError('authentication-used', "couldn't open session: the authentication has one");
      }
      assertDistinct(key, { state: draft.state, logKey: chain.logKey, collectorKeys });
      const message = sessionMessage({
        origin,
        meter: { subject, commitment },
        authenticationHash: authentication.messageHash,
        sessionKey: key,
      });
      if (!engine.verify(identityKey, message, signature)) {
        throw new MetersealError(
          'bad-signature',
          "couldn't open session: the identity key did not sign for its key",
        );
      }
      const number = draft.state.lastSession + 1;
      const expires = draft.time + limits.lifeMs;
      const index = draft.add({
        type: 'session',
        subject,
        seq: number,
        authentication: authentication.index,
        sessionKey: key,
        expires,
        signature,
      });
      const end = last.hash === null ? null : { seq: last.seq, hash: toBase64(last.hash) };
      return { session: number, expiresMs: expires, last: end, index };
    });
    this.end(subject);
    this.#open.set(result.session, {
      number: result.session,
      subject,
      meter,
      key,
      endsAt,
      readingsLeft: limits.readings,
    });
    return result;
  }
}
