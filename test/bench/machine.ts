import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { arch, cpus, platform, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { loadEngine } from '@meterseal/native';
import { median } from './row.js';

export type Machine = {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly engine: string;
  /** Median of one fdatasync after a write of 4 KiB, milliseconds. */
  readonly fdatasyncMs: number;
};

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    engine: loadEngine().engine.name,
    fdatasyncMs: Number(fdatasyncMs().toFixed(2)),
  };
}

function fdatasyncMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'meterseal-bench-'));
  const file = openSync(join(folder, 'probe'), 'w');
  const page = Buffer.alloc(4_096, 1);
  const taken: number[] = [];
  for (let i = 0; i < 50; i++) {
    writeSync(file, page);
    const started = performance.now();
    fdatasyncSync(file);
    taken.push(performance.now() - started);
  }
  closeSync(file);
  rmSync(folder, { recursive: true });
  return median(taken);
}
