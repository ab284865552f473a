import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What decides what a record says and how it is sealed: the legally relevant part. */
function relevantFiles(): { readonly root: string; readonly files: readonly string[] }[] {
  const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const packageOf = (name: string, path: string): string =>
    fileURLToPath(new URL(path, import.meta.resolve(name)));
  const folders = [
    packageOf('@meterseal/protocol', '.'),
    packageOf('@meterseal/native', '.'),
    here('../modbus/'),
    here('../meters/'),
    here('../agent/'),
  ];
  const addon = packageOf('@meterseal/native', '../prebuilt/');
  return [
    ...folders.map((root) => ({ root, files: filesIn(root, '.js') })),
    { root: addon, files: existsSync(addon) ? filesIn(addon, '.node') : [] },
    { root: here('.'), files: [here('clock-state.js')] },
  ];
}

/**
 * Name, version and digest of the sealing code, as every record carries it: `meterseal/<version> <16 hex digits>`. A
 * changed byte in a relevant module or in the addon changes it; a changed command or screen does not.
 */
export function softwareId(version: string): string {
  const hash = createHash('sha256');
  for (const [place, { root, files }] of relevantFiles().entries()) {
    for (const file of files) {
      hash.update(`${place}\0${relative(root, file)}\0`);
      hash.update(createHash('sha256').update(readFileSync(file)).digest());
    }
  }
  return `meterseal/${version} ${hash.digest('hex').slice(0, 16)}`;
}

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
