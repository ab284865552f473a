import { randomBytes } from 'node:crypto';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type {
  Clock,
  Collector,
  CollectorLimits,
  CollectorOptions,
  Storage,
} from '@meterseal/node-red-meterseal/core';
import { openCollector, systemClock } from '@meterseal/node-red-meterseal/core';
import type { Policy } from '@meterseal/protocol';
import type { SampleChain as Chain } from './sample-chain.js';
import { SampleChain } from './sample-chain.js';
import { collectorKey, PLATFORM_ID } from './sample-meter.js';
import { SamplePlatform } from './sample-platform.js';

/** A wall clock that tests turn by hand; all other time is real. */
export class SampleClock implements Clock {
  readonly sleep = systemClock.sleep;
  wall = Date.UTC(2026, 0, 3);

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return performance.now();
  }
}

export type SampleOptions = {
  readonly dir: string;
  readonly clock?: SampleClock;
  readonly policy?: Policy;
  readonly port?: number;
  readonly storage?: Storage;
  readonly limits?: CollectorLimits;
  readonly onStored?: NonNullable<CollectorOptions['onStored']>;
};

export function openSample(options: SampleOptions): Promise<Collector> {
  const { dir, clock = new SampleClock(), policy, port = 1, storage, limits, onStored } = options;
  return openCollector({
    dir,
    crypto,
    signer: collectorKey,
    clock,
    random: (length) => new Uint8Array(randomBytes(length)),
    platformId: PLATFORM_ID,
    policy: policy ?? SampleChain.policyOf(new SampleChain()),
    control: { host: '127.0.0.1', port },
    ...(limits === undefined ? {} : { limits }),
    ...(storage === undefined ? {} : { storage }),
    ...(onStored === undefined ? {} : { onStored }),
  });
}

/** A collector beside a platform on real sockets, both ended with the test. */
export async function startBoth(
  t: { teardown(end: () => Promise<void>): void },
  dir: string,
  chain: Chain = new SampleChain(),
  limits?: CollectorLimits,
): Promise<{
  platform: SamplePlatform;
  chain: Chain;
  clock: SampleClock;
  reopen: () => Promise<Collector>;
  collector: Collector;
}> {
  const platform = await SamplePlatform.start(chain, collectorKey.publicKey);
  const clock = new SampleClock();
  const policy = SampleChain.policyOf(chain);
  const opened: Collector[] = [];
  const reopen = async (): Promise<Collector> => {
    await opened.at(-1)?.close();
    const collector = await openSample({
      dir,
      clock,
      policy,
      port: platform.port,
      ...(limits === undefined ? {} : { limits }),
    });
    opened.push(collector);
    return collector;
  };
  t.teardown(async () => {
    await opened.at(-1)?.close();
    await platform.stop();
  });
  return { platform, chain, clock, reopen, collector: await reopen() };
}
