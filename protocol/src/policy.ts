import type { Checkpoint } from './checkpoint.js';
import { parseCheckpoint } from './checkpoint.js';
import type { Verifier } from './crypto.js';
import { MetersealError } from './errors.js';
import { isSignatureOf, parseNote, verifyNoteSignature } from './note.js';
import type { VerifierKey } from './verifier-key.js';

export interface PolicyLog {
  readonly key: VerifierKey;
  readonly url: string | undefined;
}

export interface PolicyWitness {
  /** Its name within the policy, not that of its key. */
  readonly name: string;
  readonly key: VerifierKey;
  readonly url: string | undefined;
}

export interface PolicyGroup {
  readonly name: string;
  /** How many members must have witnessed, 1 … members. */
  readonly threshold: number;
  /** Names of witnesses and of groups defined before. */
  readonly members: readonly string[];
}

/** Whose checkpoints are believed, and which witnesses must have cosigned; `policy-file.ts` reads it. */
export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  /** In the order of definition: members come before the groups that name them. */
  readonly groups: readonly PolicyGroup[];
  /** Name of a witness or group; undefined for `quorum none`. */
  readonly quorum: string | undefined;
}

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

/**
 * Whether the witnesses that cosigned are enough.
 *
 * @param cosigned names of the policy's witnesses
 */
export function reachesQuorum(policy: Policy, cosigned: Iterable<string>): boolean {
  if (policy.quorum === undefined) return true;
  const witnessed = new Set(cosigned);
  // In the order of definition, without recursion: a hostile file could nest thousands of groups.
  for (const group of policy.groups) {
    const count = group.members.filter((member) => witnessed.has(member)).length;
    if (count >= group.threshold) witnessed.add(group.name);
  }
  return witnessed.has(policy.quorum);
}

function refuse(what: string): never {
  throw new MetersealError('policy-refused', `couldn't accept checkpoint: ${what}`);
}
