import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Test } from 'tap';
import { until } from '../daemon/gate/until.js';

const NSPAWN = '/usr/bin/systemd-nspawn';
const SYSTEMD = '/usr/lib/systemd/systemd';
const BOOT_MS = 120_000;
const MACHINE = `ms-test-${process.pid}`;
/** Boots no more than a system's basics: what else this machine runs stays away. */
const TARGET = 'meterseal-test.target';

/** Why no container can be booted here; false if one can be tried. */
export function cannotBoot(): string | false {
  if (process.geteuid?.() !== 0) return 'only root can boot a container';
  if (!existsSync(SYSTEMD)) return 'there is no systemd here to boot';
  if (!existsSync(NSPAWN)) return 'systemd-nspawn is not here (Debian: apt-get install systemd-container)';
  const tried = spawnSync('unshare', ['-m', '--propagation', 'private', 'sh', '-c', TRY], {
    encoding: 'utf8',
  });
  return tried.status === 0 ? false : `systemd-nspawn cannot run here: ${tried.stderr.trim() || tried.error}`;
}

const OVERLAY = `mount -t tmpfs none "$1" && mkdir "$1/up" "$1/work" "$1/root" &&
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up,workdir=$1/work" "$1/root"`;
/** One command in a container, of which nothing is left. */
const TRY = `set -- "$(mktemp -d)" && ${OVERLAY} && ${NSPAWN} --quiet --register=no --keep-unit --private-network \\
  --link-journal=no --machine ${MACHINE}-try -D "$1/root" true; s=$?; umount -R "$1"; rmdir "$1"; exit $s`;
/** $1 an empty folder, $2 what is laid over this machine's root, the rest is nspawn's. */
const BOOT = `${OVERLAY} && cp -a "$2/." "$1/root/" && root="$1/root" && shift 2 && exec ${NSPAWN} -D "$root" "$@"`;

export type Output = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/**
 * This machine's own root, read-only below a layer in memory, booted in a container with no network but its own loopback.
 * Nothing of it is left on the machine.
 */
export class Container {
  readonly #folder: string;
  readonly #nspawn: ChildProcess;
  readonly #children: ChildProcess[] = [];
  #leader = 0;
  #log = '';

  private constructor(folder: string, nspawn: ChildProcess) {
    this.#folder = folder;
    this.#nspawn = nspawn;
    for (const stream of [nspawn.stdout!, nspawn.stderr!]) stream.on('data', (piece) => (this.#log += piece));
  }

  /**
   * @param files content by path, laid over the root
   * @param binds paths of this machine by where they are to be seen, read-only
   */
  static async boot(
    t: Test,
    files: Readonly<Record<string, string>>,
    binds: Readonly<Record<string, string>>,
  ): Promise<Container> {
    const folder = mkdtempSync(join(tmpdir(), 'ms-container-'));
    const over = join(folder, 'over');
    const target = '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n';
    const all: Record<string, string> = { ...files, [`/etc/systemd/system/${TARGET}`]: target };
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(join(over, path)), { recursive: true });
      writeFileSync(join(over, path), text);
    }
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const nspawn = spawn(
      'unshare',
      [
        ...['-m', '--propagation', 'private', 'sh', '-c', BOOT, 'sh', empty, over],
        ...['--machine', MACHINE, '--register=no', '--keep-unit', '--link-journal=no'],
        ...['--private-network', '--console=pipe', '--boot'],
        ...Object.entries(binds).map(([to, from]) => `--bind-ro=${from}:${to}`),
        `systemd.unit=${TARGET}`,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const container = new Container(folder, nspawn);
    t.teardown(() => container.#stop());
    await container.#awaitBoot();
    return container;
  }

  /** Runs a command inside, and waits for its end. */
  async run(...command: readonly string[]): Promise<Output> {
    const child = spawn('nsenter', [...this.#inside(), ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (piece) => (stdout += piece));
    child.stderr.on('data', (piece) => (stderr += piece));
    await once(child, 'close');
    return { code: child.exitCode, stdout, stderr };
  }

  /** As `run`; a command that fails is an error. */
  async must(...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...command);
    if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Starts what runs as long as the test; resolves with its first line. */
  async start(...command: readonly string[]): Promise<string> {
    const child = spawn('nsenter', [...this.#inside(), ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    const ended = once(child, 'exit').then(() => Promise.reject(new Error(`${command.join(' ')} ended`)));
    ended.catch(() => {});
    const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
    return line.toString('utf8');
  }

  /** `Key=value` of a unit. */
  async property(unit: string, key: string): Promise<string> {
    return (await this.must('systemctl', 'show', '--value', '--property', key, unit)).trim();
  }

  async journal(unit: string): Promise<string> {
    return (await this.run('journalctl', '--no-pager', '--output=cat', '--lines=30', '--unit', unit)).stdout;
  }

  #inside(): string[] {
    const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--'];
    // The test runner has a hook in every Node that a test starts, which is not there inside.
    return ['--target', String(this.#leader), ...namespaces, 'env', '-u', 'NODE_OPTIONS'];
  }

  async #awaitBoot(): Promise<void> {
    const isUp = async (): Promise<boolean> => {
      if (this.#nspawn.exitCode !== null) throw new Error(`the container did not boot:\n${this.#log}`);
      const children = `/proc/${this.#nspawn.pid}/task/${this.#nspawn.pid}/children`;
      this.#leader = Number(readFileSync(children, 'utf8').trim().split(' ')[0]);
      if (!this.#leader) return false;
      const { stdout } = await this.run('systemctl', 'is-active', TARGET);
      return stdout.trim() === 'active';
    };
    await until('the container is booted', isUp, BOOT_MS).catch((cause) => {
      throw new Error(`the container did not boot:\n${this.#log}`, { cause });
    });
  }

  async #stop(): Promise<void> {
    for (const child of this.#children) child.kill('SIGTERM');
    if (this.#nspawn.exitCode === null && this.#nspawn.signalCode === null) {
      const ended = once(this.#nspawn, 'exit');
      const late = setTimeout(() => this.#nspawn.kill('SIGKILL'), 10_000);
      // At once, not in order: nothing of it is kept.
      if (this.#leader > 0) await this.run('systemctl', 'poweroff', '--force', '--force');
      else this.#nspawn.kill('SIGKILL');
      await ended;
      clearTimeout(late);
    }
    rmSync(this.#folder, { recursive: true, force: true });
    // nspawn means to remove it and does not always.
    rmSync(`/run/systemd/nspawn/propagate/${MACHINE}`, { recursive: true, force: true });
  }
}
