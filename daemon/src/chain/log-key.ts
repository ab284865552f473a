import { existsSync } from 'node:fs';
import type { Engine, SigningKey } from '@meterseal/native';
import { fromPkcs8Pem, toPkcs8Pem } from '@meterseal/native';
import type { Random } from '@meterseal/protocol';
import { readPrivateFile, writeFileAtomically } from '../host/private-file.js';

/**
 * The key that signs checkpoints: PKCS#8 PEM, 0600. It signs nothing else and never leaves this role.
 *
 * @throws MetersealError `file-missing`, `file-unusable`, `bad-key`
 */
export function loadLogKey(path: string, engine: Engine): SigningKey {
  const seed = fromPkcs8Pem(readPrivateFile(path, 'log key'));
  try {
    return engine.keyFromSeed(seed);
  } finally {
    seed.fill(0);
  }
}

/** The log key of a chain that has no entry yet; one that is there already was made by a start that was interrupted. */
export function createLogKey(path: string, engine: Engine, random: Random): SigningKey {
  if (!existsSync(path)) {
    const seed = random(32);
    writeFileAtomically(path, toPkcs8Pem(seed), 0o600);
    seed.fill(0);
  }
  return loadLogKey(path, engine);
}
