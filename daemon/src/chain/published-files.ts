import type { Engine } from '@meterseal/native';
import {
  ALG_ED25519,
  equalBytes,
  formatPolicy,
  isMetersealError,
  MetersealError,
  openCheckpoint,
  type Policy,
  parsePolicy,
  verifierKeyOf,
} from '@meterseal/protocol';
import type { ChainFiles } from './chain-files.js';

/** The policy that believes this chain's own signature and nobody else's. */
export function ownPolicy(engine: Engine, origin: string, logKey: Uint8Array): Policy {
  const key = verifierKeyOf(engine, origin, ALG_ED25519, logKey);
  return { logs: [{ key, url: undefined }], witnesses: [], groups: [], quorum: undefined };
}

/**
 * Writes `<state>/policy` where it is missing. One that is there is the operator's, and must name this chain's key.
 *
 * @throws MetersealError `bad-policy`
 */
export function ensurePolicy(files: ChainFiles, engine: Engine, own: Policy): void {
  const text = files.readPolicy();
  if (text === undefined) {
    files.savePolicy(formatPolicy(own));
    return;
  }
  const { key } = own.logs[0]!;
  const policy = parsePolicy(engine, text);
  const named = policy.logs.some(
    (log) => log.key.name === key.name && equalBytes(log.key.publicKey, key.publicKey),
  );
  if (!named) {
    throw new MetersealError(
      'bad-policy',
      "couldn't start chain: the policy file does not name its log key",
      {
        hint: 'The folder chain/ and the policy file are not of the same chain: restore both from the same backup.',
      },
    );
  }
}

/** Size and root of `<state>/checkpoint`; undefined if there is none, or it is not a whole one of this chain. */
export function readCheckpoint(
  files: ChainFiles,
  engine: Engine,
  own: Policy,
): { size: number; root: Uint8Array } | undefined {
  const note = files.readCheckpoint();
  if (note === undefined) return undefined;
  try {
    return openCheckpoint(engine, own, note).checkpoint;
  } catch (error) {
    // Not synced, so a power cut may leave it torn: then it says nothing.
    if (isMetersealError(error)) return undefined;
    throw error;
  }
}
