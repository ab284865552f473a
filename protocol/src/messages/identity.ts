import type { MeterRef } from './preamble.js';
import { startMessage, writeMeter } from './preamble.js';

/**
 * What the identity key signs to confirm an enrolment:
 * PRE(enrolment) | str platform ID | S | nonce of the platform's answer[32] | identity key[32]
 */
export function enrolmentMessage(parts: {
  readonly platformId: string;
  readonly meter: MeterRef;
  readonly nonce: Uint8Array;
  readonly identityKey: Uint8Array;
}): Uint8Array {
  const to = startMessage('enrolment').str(parts.platformId);
  return writeMeter(to, parts.meter).bytes(parts.nonce, 32).bytes(parts.identityKey, 32).done();
}

/**
 * What the identity key signs to authenticate. The origin carries the epoch, so that it does not replay into the next:
 * PRE(authentication) | str origin | S | challenge[32]
 */
export function authenticationMessage(parts: {
  readonly origin: string;
  readonly meter: MeterRef;
  readonly challenge: Uint8Array;
}): Uint8Array {
  return writeMeter(startMessage('authentication').str(parts.origin), parts.meter)
    .bytes(parts.challenge, 32)
    .done();
}

/**
 * What the identity key signs to hand a session over to a session key:
 * PRE(session) | str origin | S | SHA-256(authentication message)[32] | session key[32]
 */
export function sessionMessage(parts: {
  readonly origin: string;
  readonly meter: MeterRef;
  readonly authenticationHash: Uint8Array;
  readonly sessionKey: Uint8Array;
}): Uint8Array {
  const to = writeMeter(startMessage('session').str(parts.origin), parts.meter);
  return to.bytes(parts.authenticationHash, 32).bytes(parts.sessionKey, 32).done();
}
