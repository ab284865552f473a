import type { Checkpoint } from './checkpoint.js';
import { parseCheckpoint } from './checkpoint.js';
import type { Verifier } from './crypto.js';
import { MetersealError } from './errors.js';
import { isSignatureOf, parseNote, verifyNoteSignature } from './note.js';
import type { Policy } from './policy.js';
import { reachesQuorum } from './policy.js';
import type { VerifierKey } from './verifier-key.js';

export interface OpenedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** The policy's log key whose signature was found good. */
  readonly log: VerifierKey;
  /** Names, in the policy, of the witnesses that cosigned validly. */
  readonly witnesses: readonly string[];
  /** `none` if the policy asks for no quorum. */
  readonly quorum: 'none' | 'reached';
}

/**
 * Accepts a checkpoint note under a policy: signed by a log key that is named like the checkpoint's origin,
 * cosigned by the quorum, without extension lines. Signatures of keys that the policy does not know are ignored,
 * as c2sp.org/signed-note demands; one bad signature of a known key refuses the note.
 *
 * @param note from anybody
 * @throws MetersealError `policy-refused`; `bad-checkpoint` or `too-large` if it is no checkpoint note at all
 */
export function openCheckpoint(verifier: Verifier, policy: Policy, note: string): OpenedCheckpoint {
  const { text, signatures } = parseNote(note);
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.extensions.length > 0) refuse('it has extension lines');

  const signedBy = (key: VerifierKey): boolean => {
    const own = signatures.filter((signature) => isSignatureOf(key, signature));
    if (!own.every((signature) => verifyNoteSignature(verifier, key, text, signature))) {
      refuse(`a signature of ${key.name} is not valid`);
    }
    return own.length > 0;
  };
  const logs = policy.logs.map((log) => log.key).filter(signedBy);
  const witnesses = policy.witnesses
    .filter((witness) => signedBy(witness.key))
    .map((witness) => witness.name);

  const log = logs.find((key) => key.name === checkpoint.origin);
  if (log === undefined) refuse('no signature of a log of the policy that is named like its origin');
  if (!reachesQuorum(policy, witnesses)) refuse(`cosigned by ${witnesses.join(', ') || 'nobody'}: no quorum`);
  return { checkpoint, log, witnesses, quorum: policy.quorum === undefined ? 'none' : 'reached' };
}

function refuse(what: string): never {
  throw new MetersealError('policy-refused', `couldn't accept checkpoint: ${what}`);
}
