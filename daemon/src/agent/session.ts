import type { Engine, SigningKey } from '@meterseal/native';
import {
  authenticationMessage,
  fromBase64,
  MetersealError,
  platformIdOf,
  sessionMessage,
  toBase64,
} from '@meterseal/protocol';
import type { EnrolledMeter } from './enrolment.js';
import type { PlatformClient } from './platform-client.js';

/** The last reading that the chain holds of a meter; null while it holds none. */
export type ChainEnd = { readonly seq: number; readonly hash: Uint8Array } | null;

/**
 * A session key in memory; it seals readings and nothing else. When the session ends is for the platform to say, by its
 * own monotonic clock: a submission that comes too late is answered `session-expired`, and nothing is lost.
 */
export type Session = {
  readonly number: number;
  readonly key: SigningKey;
  readonly last: ChainEnd;
};

export type SessionTools = {
  readonly platform: PlatformClient;
  readonly engine: Engine;
  readonly platformId: string;
};

/**
 * Steps 2 and 3 of the protocol: authenticate with the identity key, and only then make a session key.
 *
 * @throws MetersealError what the platform refuses as `RefusedRequest`, a rejected authentication with its reason as code;
 *   `unreachable`, `timeout`; `bad-message` where an answer is not sound
 */
export async function openSession(
  { meter, identity, ref }: EnrolledMeter,
  { platform, engine, platformId }: SessionTools,
): Promise<Session> {
  const { challenge, origin } = await platform.challenge(meter.id);
  if (platformIdOf(origin) !== platformId) {
    throw new MetersealError('bad-message', "couldn't authenticate meter: the platform names another origin");
  }
  const message = authenticationMessage({
    origin,
    meter: ref,
    challenge: fromBase64(challenge, 'bad-message'),
  });
  const { result, reason, index } = await platform.authenticate({
    meter: meter.id,
    challenge,
    signature: toBase64(identity.sign(message)),
  });
  if (result !== 'accepted' || reason !== 'none' || index === undefined) {
    throw new MetersealError(
      reason === 'none' ? 'bad-message' : reason,
      `couldn't authenticate meter: rejected with ${reason}`,
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
    const { session: number, last } = await platform.openSession({
      meter: meter.id,
      authentication: index,
      publicKey: toBase64(key.publicKey),
      signature: toBase64(identity.sign(handover)),
    });
    return { number, key, last: last === null ? null : { seq: last.seq, hash: hashOf(last.hash) } };
  } catch (error) {
    key.destroy();
    throw error;
  }
}

function hashOf(text: string): Uint8Array {
  const hash = fromBase64(text, 'bad-message');
  if (hash.length === 32) return hash;
  throw new MetersealError('bad-message', `couldn't read session: a hash of ${hash.length} bytes`);
}
