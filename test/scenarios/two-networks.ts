import type { ChildProcessByStdio } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { PLAIN_NODE } from '../command-line.js';
import { ensureHelpers } from '../simulator/start.js';

/** A frame that arrived at one end of a line; times in milliseconds since 1970. */
export type Frame = {
  readonly time: number;
  readonly arrivesAt: 'box' | 'collector';
  readonly isTcp: boolean;
  readonly from: number;
  readonly to: number;
  readonly isReset: boolean;
  /** Bytes of payload. */
  readonly bytes: number;
};

const CAPTURE = fileURLToPath(new URL('../simulator/capture', import.meta.url));
const TCP_RESET = 4;

function ip(...args: readonly string[]): { status: number | null; stderr: string } {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  return { status, stderr: error === undefined ? stderr : `ip cannot be run: ${error.message}` };
}

/** Why this machine cannot have network namespaces of a test's own; false if it can. */
export function cannotHaveNetworks(): string | false {
  if (process.geteuid?.() !== 0) return 'only root can make network namespaces';
  const name = `ms-try-${process.pid}`;
  const { status, stderr } = ip('netns', 'add', name);
  if (status !== 0) return `network namespaces are not allowed here: ${stderr.trim()}`;
  const { status: made, stderr: why } = ip(
    '-n',
    name,
    'link',
    'add',
    'try0',
    'type',
    'veth',
    'peer',
    'name',
    'try1',
  );
  ip('netns', 'del', name);
  return made === 0 ? false : `there are no veth devices here: ${why.trim()}`;
}

export type Process = ChildProcessByStdio<Writable, Readable, null>;

/**
 * Two machines as two network namespaces: the box, and the collector's. Two lines go between them: that of the comparison,
 * which a relay can cut, and that of the collection, over which a lease is asked for too.
 */
export class TwoNetworks {
  readonly box: string;
  readonly collector: string;
  /** The box's end of the line of the comparison. */
  readonly device = 'comparison';
  readonly comparisonHost = '198.51.100.1';
  readonly controlHost = '192.0.2.1';
  readonly #processes: Process[] = [];

  private constructor(name: string) {
    this.box = `${name}-box`;
    this.collector = `${name}-col`;
  }

  /** @param cut the line of the comparison is cut to begin with */
  static make(t: Test, cut: boolean): TwoNetworks {
    ensureHelpers();
    const networks = new TwoNetworks(`ms-${process.pid}-${count++}`);
    const { box, collector, device, comparisonHost, controlHost } = networks;
    t.teardown(async () => {
      await networks.stop();
      for (const name of [box, collector]) ip('netns', 'del', name);
    });
    const peer = (host: string): string => host.replace(/1$/, '2');
    const must = (...args: readonly string[]): void => {
      const { status, stderr } = ip(...args);
      if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
    };
    for (const name of [box, collector]) {
      must('netns', 'add', name);
      // What IPv6 sends by itself, whenever a line comes up, would be noise in a capture.
      const quiet = 'net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1'.split(' ');
      for (const setting of quiet) spawnSync('ip', ['netns', 'exec', name, 'sysctl', '-qw', setting]);
      must('-n', name, 'link', 'set', 'lo', 'up');
    }
    for (const [line, host] of [
      [device, comparisonHost],
      ['collection', controlHost],
    ] as const) {
      must('-n', box, 'link', 'add', line, 'type', 'veth', 'peer', 'name', line, 'netns', collector);
      must('-n', box, 'addr', 'add', `${host}/30`, 'dev', line);
      must('-n', collector, 'addr', 'add', `${peer(host)}/30`, 'dev', line);
      must('-n', collector, 'link', 'set', line, 'up');
      if (!cut || line !== device) must('-n', box, 'link', 'set', line, 'up');
    }
    return networks;
  }

  /** How to run a command in one of them. */
  within(name: string): string[] {
    return ['ip', 'netns', 'exec', name];
  }

  /** Starts a Node program in one of them; its standard error is the test's. */
  node(name: string, ...args: readonly string[]): Process {
    const [command, before] = PLAIN_NODE;
    return this.#start([...this.within(name), command, ...before, ...args]);
  }

  /**
   * Watches both ends of the line of the comparison, until it is stopped. Only what arrives counts: a kernel goes on handing
   * frames to a device for a moment after its line was cut.
   */
  async capture(): Promise<{ stop(): Promise<Frame[]> }> {
    const ends = [await this.#watch('box'), await this.#watch('collector')];
    return {
      stop: async () => {
        const frames = await Promise.all(ends.map((end) => end()));
        return frames.flat().sort((a, b) => a.time - b.time);
      },
    };
  }

  async #watch(end: Frame['arrivesAt']): Promise<() => Promise<Frame[]>> {
    const child = this.#start([...this.within(this[end]), CAPTURE, this.device]);
    const lines: string[] = [];
    const ended = once(child, 'close');
    await new Promise<void>((resolve, reject) => {
      void ended.then(() => reject(new Error('the capture ended')));
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line === 'ready') resolve();
        else lines.push(line);
      });
    });
    return async () => {
      child.stdin.end();
      await ended;
      return lines.filter((line) => line.includes(' in ')).map((line) => frameOf(line, end));
    };
  }

  async stop(): Promise<void> {
    for (const child of this.#processes) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }

  #start([command, ...args]: readonly string[]): Process {
    const child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#processes.push(child);
    return child;
  }
}

let count = 0;

function frameOf(line: string, arrivesAt: Frame['arrivesAt']): Frame {
  const [at = '', , type, protocol, from, to, flags, bytes] = line.split(' ');
  return {
    time: Number(at) * 1_000,
    arrivesAt,
    isTcp: type === '0800' && protocol === '6',
    from: Number(from),
    to: Number(to),
    isReset: (Number(flags) & TCP_RESET) !== 0,
    bytes: Number(bytes),
  };
}
