import { equalBytes, MetersealError } from '@meterseal/protocol';
import type { LedgerState } from '../ledger-state.js';

/**
 * One key, one role: refuses a key that is already the log's, a collector's or a meter's identity.
 *
 * @param except the subject whose identity key it may be
 * @throws MetersealError `bad-key`
 */
export function assertDistinct(
  key: Uint8Array,
  taken: {
    readonly state: LedgerState;
    readonly logKey: Uint8Array;
    readonly collectorKeys: readonly Uint8Array[];
  },
  except?: number,
): void {
  const owner = taken.state.ownerOf(key);
  const others = [taken.logKey, ...taken.collectorKeys];
  if ((owner === undefined || owner === except) && !others.some((other) => equalBytes(key, other))) return;
  throw new MetersealError('bad-key', "couldn't accept key: it is in use for something else", {
    hint: 'Make a new key: log, identity, session and collector keys are always different ones.',
  });
}
