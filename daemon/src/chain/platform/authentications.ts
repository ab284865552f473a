import type {
  AuthenticationAnswer,
  AuthenticationReason,
  AuthenticationRequest,
  ChallengeAnswer,
  ChallengeRequest,
} from '@meterseal/protocol';
import { authenticationMessage, fromBase64, toBase64 } from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import type { HourlyLimit } from '../hourly-limit.js';
import type { Challenges } from './challenges.js';
import type { MeterDirectory } from './meter-directory.js';

export type AuthenticationParts = {
  readonly chain: Chain;
  readonly directory: MeterDirectory;
  readonly challenges: Challenges;
  /** Accepted ones by subject: an identity key that got into wrong hands cannot flood the chain either. */
  readonly accepted: HourlyLimit;
  /** Rejections that get an entry, by subject; the others are counted. */
  readonly rejected: HourlyLimit;
};

/** Hash in the entry of a meter that nobody knows: without subject and commitment there is no message to hash. */
const NO_MESSAGE = new Uint8Array(32);

/** Step 2 of the protocol, the platform's side: accepted or rejected, the chain tells. */
export class Authentications {
  readonly #parts: AuthenticationParts;

  constructor(parts: AuthenticationParts) {
    this.#parts = parts;
  }

  challenge({ meter }: ChallengeRequest): ChallengeAnswer {
    const { chain, challenges, directory } = this.#parts;
    const subject = directory.find(meter)?.subject ?? 0;
    const challenge = challenges.issue(meter, subject, chain.clock.monotonic());
    return { challenge: toBase64(challenge), origin: chain.origin };
  }

  async authenticate(request: AuthenticationRequest): Promise<AuthenticationAnswer> {
    const { chain, challenges, directory, accepted, rejected } = this.#parts;
    const { engine, origin } = chain;
    const challenge = fromBase64(request.challenge, 'bad-message');
    const signature = fromBase64(request.signature, 'bad-message');
    const now = chain.clock.monotonic();
    const spent = challenges.spend(challenge, request.meter, now);
    const subject = directory.find(request.meter)?.subject ?? 0;

    const { result } = await chain.append((draft): AuthenticationAnswer => {
      const known = draft.state.subjects.get(subject);
      const message =
        known === undefined
          ? undefined
          : authenticationMessage({ origin, meter: { subject, commitment: known.commitment }, challenge });
      let reason: AuthenticationReason = 'none';
      if (known === undefined || message === undefined) reason = 'unknown-meter';
      else if (known.revoked) reason = 'revoked';
      else if (spent !== 'good') reason = spent;
      else if (!engine.verify(known.identityKey, message, signature)) reason = 'bad-signature';
      else if (!accepted.take(subject, now)) reason = 'rate-limited';

      const isAccepted = reason === 'none';
      const answer = { result: isAccepted ? ('accepted' as const) : ('rejected' as const), reason };
      if (!isAccepted && !rejected.take(subject, now)) return answer;
      const messageHash = message === undefined ? NO_MESSAGE : engine.sha256(message);
      return {
        ...answer,
        index: draft.add({ type: 'authentication', subject, seq: 0, ...answer, messageHash }),
      };
    });
    return result;
  }
}
