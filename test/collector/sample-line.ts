import type { ComparisonResult } from '@meterseal/node-red-meterseal/core';
import type { SampleChain } from './sample-chain.js';
import { startBoth } from './sample-collector.js';
import { SampleMeter } from './sample-meter.js';

/** What a comparison named, in words: meter, number, reason, accused. */
export function named(result: ComparisonResult): string[] {
  return result.findings.map(
    ({ meter, seq, reason, accused }) => `${meter} ${seq} ${reason}${accused ? ` ${accused}` : ''}`,
  );
}

/** Two meters with 20 readings each, delivered in batches of 5 and anchored. */
export async function line(t: Parameters<typeof startBoth>[0] & { testdir(): string }, of?: SampleChain) {
  const dir = t.testdir();
  const both = await startBoth(t, dir, of);
  const { chain, collector } = both;
  const meters = [new SampleMeter('EM-1', 1), new SampleMeter('EM-2', 2)] as const;
  await collector.receiver.openings(meters.map((meter) => meter.opening()));
  const sessions = [];
  for (const meter of meters) {
    chain.enrol(meter);
    const session = chain.openSession(meter);
    chain.anchorAll(session, 1, 20);
    chain.close();
    sessions.push(session);
    for (let to = 5; to <= 20; to += 5)
      await collector.receiver.records(meter.delivery(1, meter.records(1, to), 5));
  }
  return { ...both, dir, meters, sessions };
}
