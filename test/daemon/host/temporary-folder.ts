import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** An empty folder with a short path, so that sockets fit into it; it goes with the test. */
export function temporaryFolder(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ms-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
