import type { DeliveryReceipts } from './outbox.js';

/** A collector's latest acknowledgement of a meter goes to the chain at most this often. */
const CHAIN_EVERY_MS = 3_600_000;

export type ChainerTools = {
  readonly receipts: DeliveryReceipts;
  /** Commits signed acknowledgements to the chain. */
  readonly chain: (signed: readonly Uint8Array[]) => Promise<unknown>;
  readonly now: () => number;
};

/**
 * Puts what collectors have acknowledged on the chain, so that neither a collector can deny a delivery nor a field claim
 * one.
 *
 * @param collector the collector's key
 * @param meters numbers of the meters
 */
export async function chainAcknowledgements(
  collector: Uint8Array,
  meters: readonly number[],
  { receipts, chain, now }: ChainerTools,
): Promise<void> {
  const due: { meter: number; ackedTo: number; acknowledgement: Uint8Array }[] = [];
  for (const meter of meters) {
    const { ackedTo, acknowledgement, chainedTo, chainedMs } = await receipts.delivery(meter, collector);
    if (acknowledgement === null || ackedTo <= chainedTo || now() - chainedMs < CHAIN_EVERY_MS) continue;
    due.push({ meter, ackedTo, acknowledgement });
  }
  if (due.length === 0) return;
  await chain(due.map(({ acknowledgement }) => acknowledgement));
  for (const { meter, ackedTo } of due) await receipts.saveChained(meter, collector, ackedTo, now());
}
