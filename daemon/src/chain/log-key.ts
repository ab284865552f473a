import type { Engine, SigningKey } from '@meterseal/native';
import { fromPkcs8Pem, toPkcs8Pem } from '@meterseal/native';
import type { Random } from '@meterseal/protocol';
import type { ChainFiles } from './chain-files.js';

/**
 * The key that signs checkpoints: PKCS#8 PEM, 0600. It signs nothing else and never leaves this role.
 *
 * @throws MetersealError `file-missing`, `file-unusable`, `bad-key`
 */
export function loadLogKey(files: Pick<ChainFiles, 'readLogKey'>, engine: Engine): SigningKey {
  const seed = fromPkcs8Pem(files.readLogKey());
  try {
    return engine.keyFromSeed(seed);
  } finally {
    seed.fill(0);
  }
}

/** The log key of a chain that has no entry yet; one that is there already was made by a start that was interrupted. */
export function createLogKey(files: ChainFiles, engine: Engine, random: Random): SigningKey {
  if (!files.hasLogKey()) {
    const seed = random(32);
    files.saveLogKey(toPkcs8Pem(seed));
    seed.fill(0);
  }
  return loadLogKey(files, engine);
}
