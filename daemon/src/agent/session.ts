import type { Engine, SigningKey } from '@meterseal/native';
import {
  authenticationMessage,
  fromBase64,
  MetersealError,
  sessionMessage,
  toBase64,
} from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { EnrolledMeter } from './enrolment.js';
import type { PlatformClient } from './platform-client.js';

/** The last reading that the chain holds of a meter. */
export type ChainEnd = { readonly seq: number; readonly hash: Uint8Array } | null;

/** A session key in memory; it seals readings and nothing else. */
export type Session = {
  readonly number: number;
  readonly key: SigningKey;
  /** By this process's monotonic clock, a little before the platform's own end. */
  readonly endsAt: number;
  readonly last: ChainEnd;
};

/** Sessions are renewed this long before they end, so that a batch under way is not refused. */
const RENEW_BEFORE_MS = 5_000;

/**
 * Steps 2 and 3 of the protocol: authenticate with the identity key, and only then make a session key.
 *
 * @throws MetersealError with the platform's code where it refuses
 */
export async function openSession(
  { meter, identity, ref }: EnrolledMeter,
  tools: {
    readonly platform: PlatformClient;
    readonly engine: Engine;
    readonly clock: Clock;
    readonly platformId: string;
  },
): Promise<Session> {
  const { platform, engine, clock } = tools;
  const { challenge, origin } = await platform.challenge(meter.id);
  if (!origin.startsWith(`${tools.platformId}/`)) {
    throw new MetersealError('bad-message', "couldn't authenticate meter: the platform names another origin");
  }
  const message = authenticationMessage({
    origin,
    meter: ref,
    challenge: fromBase64(challenge, 'bad-message'),
  });
  const authentication = await platform.authenticate({
    meter: meter.id,
    challenge,
    signature: toBase64(identity.sign(message)),
  });
  if (authentication.result !== 'accepted' || authentication.index === undefined) {
    throw new MetersealError(
      authentication.reason === 'none' ? 'bad-message' : authentication.reason,
      `couldn't authenticate meter: rejected with ${authentication.reason}`,
    );
  }
  const key = engine.generateKey();
  try {
    const handover = sessionMessage({
      origin,
      meter: ref,
      authenticationHash: engine.sha256(message),
      sessionKey: key.publicKey,
    });
    const opened = clock.monotonic();
    const answer = await platform.openSession({
      meter: meter.id,
      authentication: authentication.index,
      publicKey: toBase64(key.publicKey),
      signature: toBase64(identity.sign(handover)),
    });
    const lifeMs = answer.expiresMs - clock.now();
    const last =
      answer.last === null
        ? null
        : { seq: answer.last.seq, hash: fromBase64(answer.last.hash, 'bad-message') };
    return { number: answer.session, key, endsAt: opened + Math.max(0, lifeMs - RENEW_BEFORE_MS), last };
  } catch (error) {
    key.destroy();
    throw error;
  }
}
