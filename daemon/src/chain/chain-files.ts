import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { readPrivateFile, writeFileAtomically } from '../host/private-file.js';
import type { StateFolder } from '../host/state-folder.js';

/** The small files beside chain.db. */
export interface ChainFiles {
  hasLogKey(): boolean;
  /**
   * PKCS#8 PEM.
   *
   * @throws MetersealError `file-missing`, `file-unusable`
   */
  readLogKey(): string;
  /** There whole or not at all, for good once this returns. */
  saveLogKey(pem: string): void;
  /** Undefined where there is none. */
  readPolicy(): string | undefined;
  /** There whole or not at all, for good once this returns. */
  savePolicy(text: string): void;
  /** What was published last, or a part of it after a power cut; undefined where there is none. */
  readCheckpoint(): string | undefined;
  /**
   * Readers see the old checkpoint or the new one, whole. It is a copy of what chain.db holds and is written again at the
   * next start: it need not survive a power cut.
   */
  publishCheckpoint(note: string): Promise<void>;
}

/** The files as they lie in the state folder. */
export function chainFiles(paths: Pick<StateFolder, 'logKey' | 'policy' | 'checkpoint'>): ChainFiles {
  const { logKey, policy, checkpoint } = paths;
  const readIfThere = (path: string): string | undefined =>
    existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  return {
    hasLogKey: () => existsSync(logKey),
    readLogKey: () => readPrivateFile(logKey, 'log key'),
    saveLogKey: (pem) => writeFileAtomically(logKey, pem, 0o600),
    readPolicy: () => readIfThere(policy),
    savePolicy: (text) => writeFileAtomically(policy, text, 0o644),
    readCheckpoint: () => readIfThere(checkpoint),
    publishCheckpoint: async (note) => {
      await writeFile(`${checkpoint}.new`, note, { mode: 0o644 });
      await rename(`${checkpoint}.new`, checkpoint);
    },
  };
}
