import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
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
import { writeFileAtomically } from '../host/private-file.js';

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
export function ensurePolicy(path: string, engine: Engine, own: Policy): void {
  if (!existsSync(path)) {
    writeFileAtomically(path, formatPolicy(own), 0o644);
    return;
  }
  const { key } = own.logs[0]!;
  const policy = parsePolicy(engine, readFileSync(path, 'utf8'));
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

/**
 * Writes `<state>/checkpoint` so that readers see the old or the new one, whole. It is a copy of what chain.db holds and
 * is written again at the next start: not synced.
 */
export async function writeCheckpoint(path: string, note: string): Promise<void> {
  await writeFile(`${path}.new`, note, { mode: 0o644 });
  await rename(`${path}.new`, path);
}

/** Size and root of `<state>/checkpoint`; undefined if there is none, or it is not a whole one of this chain. */
export function readCheckpoint(
  path: string,
  engine: Engine,
  own: Policy,
): { size: number; root: Uint8Array } | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return openCheckpoint(engine, own, readFileSync(path, 'utf8')).checkpoint;
  } catch (error) {
    // Not synced, so a power cut may leave it torn: then it says nothing.
    if (isMetersealError(error)) return undefined;
    throw error;
  }
}
