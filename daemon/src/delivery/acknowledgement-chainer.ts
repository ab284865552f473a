import { decodeSigned, isMetersealError, readAcknowledgement } from '@meterseal/protocol';
import { isOutage, RefusedRequest } from '../host/http-client.js';
import type { Logger } from '../host/logger.js';
import type { DeliveryReceipts } from './outbox.js';

/** A collector's latest acknowledgement of a meter goes to the chain at most this often. */
const CHAIN_EVERY_MS = 3_600_000;

export type ChainerTools = {
  readonly receipts: DeliveryReceipts;
  /** Commits signed acknowledgements to the chain, all or none. */
  readonly chain: (signed: readonly Uint8Array[]) => Promise<unknown>;
  /** Wall time, milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Logger;
};

type Due = {
  readonly meter: number;
  readonly chainedTo: number;
  readonly seq: number;
  readonly signed: Uint8Array;
};

/**
 * Puts what collectors have acknowledged on the chain, so that neither a collector can deny a delivery nor a field claim
 * one. What the chain refuses is tried again after the same pause; one meter's does not hold up the others.
 *
 * @param collector the collector's key
 * @param meters numbers of the meters
 * @throws MetersealError where the chain is away
 */
export async function chainAcknowledgements(
  collector: Uint8Array,
  meters: readonly number[],
  tools: ChainerTools,
): Promise<void> {
  const due: Due[] = [];
  for (const meter of meters) {
    const { acknowledgement: signed, chainedTo, chainedMs } = await tools.receipts.delivery(meter, collector);
    // A clock that was set back must not put it off for good.
    if (signed === null || Math.abs(tools.now() - chainedMs) < CHAIN_EVERY_MS) continue;
    const { seq } = decodeSigned(signed, readAcknowledgement).value;
    if (seq > chainedTo) due.push({ meter, chainedTo, seq, signed });
  }
  const together = due.length > 0 && (await isChained(due, tools));
  for (const one of due) {
    const isDone = together || (due.length > 1 && (await isChained([one], tools)));
    const to = isDone ? one.seq : one.chainedTo;
    await tools.receipts.saveChained(one.meter, collector, to, tools.now());
  }
}

async function isChained(due: readonly Due[], { chain, log }: ChainerTools): Promise<boolean> {
  try {
    await chain(due.map(({ signed }) => signed));
    return true;
  } catch (error) {
    if (!(error instanceof RefusedRequest) || isOutage(error)) throw error;
    // One alone that lies behind: the chain has a later one.
    if (due.length === 1 && isMetersealError(error, 'acknowledgement-behind')) return true;
    if (due.length === 1) log.warn({ meter: due[0]!.meter, err: error }, 'acknowledgement not chained');
    return false;
  }
}
