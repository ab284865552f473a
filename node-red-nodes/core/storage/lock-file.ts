import { readFileSync } from 'node:fs';
import { open, readFile, unlink } from 'node:fs/promises';
import { MetersealError } from '@meterseal/protocol';

/** Folders that this process holds: a second collector in the same process has the same process ID. */
const held = new Set<string>();

/**
 * One collector per folder: two would write over each other. The file names the process that holds the folder; what a
 * killed process left is recognised, because no process of that ID that started at that time is alive.
 *
 * @param path of the lock file
 * @returns what gives the folder back
 * @throws MetersealError `state-in-use`
 */
export async function lockFolder(path: string): Promise<() => Promise<void>> {
  if (held.has(path)) throw inUse();
  held.add(path);
  try {
    await take(path);
  } catch (error) {
    held.delete(path);
    throw error;
  }
  return async () => {
    try {
      await unlink(path);
    } catch {
      // What is left names this process, which holds the folder no more.
    }
    held.delete(path);
  };
}

async function take(path: string): Promise<void> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600);
      try {
        await file.writeFile(`${process.pid} ${startOf(process.pid) ?? ''}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '', start = ''] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ');
    // One of this process would be among those that it holds.
    if (Number(pid) !== process.pid && isRunning(Number(pid), start)) throw inUse();
    await unlink(path).catch(() => {});
  }
  throw inUse();
}

function isRunning(pid: number, start: string): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // IDs are given again, after a restart of the machine at the latest: the start tells two processes apart.
  const now = startOf(pid);
  return now === undefined || start === '' || now === start;
}

/** Which boot of the machine, and when in it the process started; undefined where the system does not say. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything; start time is the 20th field behind it.
    return `${boot}/${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}

function inUse(): MetersealError {
  return new MetersealError('state-in-use', "couldn't open collector: another one uses its folder", {
    hint: 'End the other collector, or give this one a folder of its own.',
  });
}
