import { join } from 'node:path';
import type { Engine, SigningKey } from '@meterseal/native';
import { fromPkcs8Pem, toPkcs8Pem } from '@meterseal/native';
import { readPrivateFile, writeFileAtomically } from '../host/private-file.js';

/** Where the secrets of meters' identities are kept. */
export interface IdentityVault {
  /** Keeps an identity's secret: on disk when this returns. The caller overwrites the seed. */
  save(number: number, seed: Uint8Array): void;
  /** @throws MetersealError `file-missing`, `file-unusable`, `bad-key` */
  load(number: number): SigningKey;
}

/** The identity keys of this box's meters: one PKCS#8 file each, 0600, named by the meter's number, never its ID. */
export class IdentityKeys implements IdentityVault {
  readonly #folder: string;
  readonly #engine: Engine;

  constructor(folder: string, engine: Engine) {
    this.#folder = folder;
    this.#engine = engine;
  }

  save(number: number, seed: Uint8Array): void {
    writeFileAtomically(this.#path(number), toPkcs8Pem(seed), 0o600);
  }

  load(number: number): SigningKey {
    const seed = fromPkcs8Pem(readPrivateFile(this.#path(number), 'identity key'));
    try {
      return this.#engine.keyFromSeed(seed);
    } finally {
      seed.fill(0);
    }
  }

  #path(number: number): string {
    return join(this.#folder, `${number}.key`);
  }
}
