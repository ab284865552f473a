import { constants } from 'node:fs';
import { open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SigningKey } from '@meterseal/native/javascript';
import { fromPkcs8Pem, generateSeed, javascriptEngine, toPkcs8Pem } from '@meterseal/native/javascript';
import { MetersealError, toBase64 } from '@meterseal/protocol';
import { nodeStorage, syncFolder } from './storage/node-storage.js';

/** The secret, PKCS#8 PEM, 0600; and beside it the raw public key in base64, for the platform's configuration. */
export const KEY_FILE = 'collector.key';
export const PUBLIC_KEY_FILE = 'collector.pub';

/**
 * The collector's key; made, with its folder, at the first start.
 *
 * @param dir the collector's folder
 * @throws MetersealError `file-unusable` for a file that others may read or that is none, or a folder that cannot be
 *   written; `bad-key` for what it holds
 */
export async function openCollectorKey(dir: string): Promise<SigningKey> {
  try {
    return await openKey(dir);
  } catch (cause) {
    if (cause instanceof MetersealError) throw cause;
    const reason = (cause as NodeJS.ErrnoException).code ?? 'failed';
    throw new MetersealError('file-unusable', `couldn't use collector's folder ${dir}: ${reason}`, {
      hint: 'It must be writable by the user that runs the collector, and belong to it.',
      cause,
    });
  }
}

async function openKey(dir: string): Promise<SigningKey> {
  await nodeStorage.makeFolder(dir);
  const path = join(dir, KEY_FILE);
  let pem = await readSecret(path);
  if (pem === undefined) {
    const seed = generateSeed();
    pem = toPkcs8Pem(seed);
    seed.fill(0);
    await writeWhole(dir, KEY_FILE, pem, 0o600);
  }
  const seed = fromPkcs8Pem(pem);
  const key = javascriptEngine.keyFromSeed(seed);
  seed.fill(0);
  await writeWhole(dir, PUBLIC_KEY_FILE, `${toBase64(key.publicKey)}\n`, 0o644);
  return key;
}

async function readSecret(path: string): Promise<string | undefined> {
  const unusable = (why: string, cause?: unknown): MetersealError =>
    new MetersealError('file-unusable', `couldn't read collector key: ${path} ${why}`, {
      hint: `It must be a plain file of this user alone: chmod 600 ${path}`,
      cause,
    });
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const stat = await file.stat();
      if (!stat.isFile() || (stat.mode & 0o077) !== 0) throw unusable('is open to others');
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause instanceof MetersealError ? cause : unusable('cannot be read', cause);
  }
}

/** There whole or not at all, also after a power cut. */
async function writeWhole(dir: string, name: string, text: string, mode: number): Promise<void> {
  const temporary = join(dir, `${name}.new`);
  await unlink(temporary).catch(() => {});
  const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(dir, name));
  await syncFolder(dir);
}
