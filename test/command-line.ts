import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const BIN = fileURLToPath(new URL('../../daemon/bin/meterseal.js', import.meta.url));

/**
 * Node as a user starts it: the test runner adds a hook of its own to every Node that a test starts, which slows it down,
 * and complains where another user cannot write. `env` becomes Node, so the process id is Node's.
 */
export const PLAIN_NODE = ['env', ['-u', 'NODE_OPTIONS', process.execPath]] as const;

export type Ran = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** A user without rights; only root can act as another one. */
const NOBODY = 65_534;

/** Runs `meterseal` as a user would, and waits for its end. */
export function meterseal(...args: string[]): Promise<Ran> {
  return run(args, {});
}

/** Runs `meterseal` as a user to whom nothing here belongs. */
export function metersealAsNobody(...args: string[]): Promise<Ran> {
  return run(args, { uid: NOBODY, gid: NOBODY, cwd: '/' });
}

/** Why a test cannot act as another user; false if it can. */
export async function cannotBeNobody(): Promise<string | false> {
  if (process.geteuid?.() !== 0) return 'only root can act as another user';
  const { code } = await metersealAsNobody('--version').catch(() => ({ code: null }));
  return code === 0 ? false : 'another user cannot read this checkout';
}

/** One clear line with its code, a hint, the documented exit code, no stack trace; what is logged before does not count. */
export function assertRefused(t: Test, ran: Ran, exitCode: number, code: string, words: RegExp): void {
  const lines = ran.stderr
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('{'));
  t.equal(ran.code, exitCode, `exit code ${exitCode}`);
  t.match(lines[0], new RegExp(`^meterseal: couldn't .* \\[${code}\\]$`), 'one clear line with its code');
  t.match(lines[0], words, 'it says what');
  t.match(lines[1], /^ {2}hint: ./, 'it says what to do');
  t.equal(lines.length, 2, 'nothing else, no stack trace');
}

function run(args: readonly string[], user: { uid?: number; gid?: number; cwd?: string }): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const [command, before] = PLAIN_NODE;
    const child = spawn(command, [...before, BIN, ...args], { ...user, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}
