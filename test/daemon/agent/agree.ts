import { toHex } from '@meterseal/protocol';
import type { EnrolledMeter } from 'meterseal/internal/agent/enrolment';
import type { Test } from 'tap';
import type { FieldBench } from './field-bench.js';

/** The chain has every number, and what field.db holds under one is what the chain has; nothing is damaged. */
export async function assertAgree(t: Test, bench: FieldBench, ...meters: EnrolledMeter[]): Promise<void> {
  for (const meter of meters) {
    const anchored = await bench.anchored(meter);
    t.same(
      [...anchored.keys()],
      Array.from({ length: anchored.size }, (_, i) => i + 1),
      'no number is missing on the chain',
    );
    const { number } = meter.meter;
    const differing: number[] = [];
    for (const [seq, hash] of anchored) {
      const own = await bench.store.record(number, seq);
      if (own !== undefined && toHex(own.hash) !== hash) differing.push(seq);
    }
    t.same(differing, [], 'the chain has our readings');
  }
  t.same(await bench.findings(), [], 'fsck finds nothing');
}
