import type { CollectorState } from '@meterseal/protocol';
import {
  decodeSigned,
  equalBytes,
  fromBase64,
  isSignedBy,
  MetersealError,
  RUNNING_HASH_START,
  readDelivery,
  runningHash,
} from '@meterseal/protocol';
import type { DeliveredMeter, DelivererTools } from './delivered-meter.js';
import type { DeliveryState } from './outbox.js';

/** Hashes that are in memory at once. */
const PAGE = 10_000;

/**
 * The first exchange with a collector compares (number, running hash). Four things can be:
 *
 * - both agree;
 * - an acknowledgement was lost on the way, and our own readings lead to the collector's hash;
 * - the collector was put back to an earlier copy, and they do too: what it lost is delivered again;
 * - our database was put back to an earlier copy. Then the collector shows the statement that our own identity key once
 *   signed: we take our word back, not the collector's, and use no number twice.
 *
 * @throws MetersealError `conflict` where the collector claims what it cannot show; what the collector refuses, or why it
 *   is away
 */
export async function reconcileWithCollector(meter: DeliveredMeter, tools: DelivererTools): Promise<void> {
  const { client, outbox, collectorKey, log } = tools;
  const answer = await client.state(meter.id);
  const { first, seq: ackedTo } = answer;
  const theirs = { first, ackedTo, runningHash: fromBase64(answer.runningHash, 'bad-message') };
  const ours = await outbox.delivery(meter.number, collectorKey);
  if (isSame(ours, theirs)) return;

  const { subject } = meter.ref;
  if ((await isLedTo(meter, ours, theirs, tools)) && !(await skipsReadings(meter, ours, theirs, tools))) {
    if (theirs.ackedTo < ours.ackedTo) {
      const lost = { from: theirs.ackedTo + 1, to: ours.ackedTo };
      log.warn(
        { subject, ...lost },
        'the collector was put back to an earlier copy: readings go there again',
      );
    }
    await outbox.resetDelivery(meter.number, collectorKey, theirs);
    return;
  }
  if (!isOurWord(meter, theirs, answer, tools)) {
    throw new MetersealError(
      'conflict',
      `couldn't reconcile with collector: it claims readings up to ${theirs.ackedTo} that were never stated`,
      {
        hint: 'Compare the collector with the chain; nothing more of this meter is delivered to it until this is settled.',
      },
    );
  }
  if (theirs.ackedTo > ours.ackedTo) {
    log.error(
      { subject, from: ours.ackedTo + 1, to: theirs.ackedTo },
      'the collector is ahead of field.db, which was put back to an earlier copy',
    );
    // First the numbers, then the height: interrupted in between, the same is found again.
    await tools.restartNumbers(meter.number, { ackedTo: ours.ackedTo, peak: theirs.ackedTo });
  }
  await outbox.resetDelivery(meter.number, collectorKey, theirs);
}

function isSame(ours: DeliveryState, theirs: DeliveryState): boolean {
  return (
    ours.first === theirs.first &&
    ours.ackedTo === theirs.ackedTo &&
    equalBytes(ours.runningHash, theirs.runningHash)
  );
}

/** True if our readings of the numbers that the collector says it holds lead to its running hash. */
async function isLedTo(
  { number }: DeliveredMeter,
  ours: DeliveryState,
  theirs: DeliveryState,
  { crypto, outbox }: DelivererTools,
): Promise<boolean> {
  const isFurther = ours.first === theirs.first && ours.ackedTo <= theirs.ackedTo;
  let hash = isFurther ? ours.runningHash : RUNNING_HASH_START;
  for (let from = isFurther ? ours.ackedTo + 1 : theirs.first; from <= theirs.ackedTo; from += PAGE) {
    const hashes = await outbox.hashes(number, from, Math.min(from + PAGE - 1, theirs.ackedTo));
    if (hashes === undefined) return false;
    for (const reading of hashes) hash = runningHash(crypto, hash, reading);
  }
  return equalBytes(hash, theirs.runningHash);
}

/**
 * True if the collector says that a gap was stated over readings which we hold, or have not made yet. It shows no
 * statement of a gap, so that its word is good only for numbers which are lost.
 */
async function skipsReadings(
  { number }: DeliveredMeter,
  ours: DeliveryState,
  theirs: DeliveryState,
  { outbox }: DelivererTools,
): Promise<boolean> {
  if (theirs.first <= ours.ackedTo + 1) return false;
  if (theirs.first > (await outbox.nextSeq(number))) return true;
  const [held] = await outbox.pending(number, ours.ackedTo, 1);
  return held !== undefined && held.seq < theirs.first;
}

/** True if our identity key signed what the collector says it holds. */
function isOurWord(
  meter: DeliveredMeter,
  theirs: DeliveryState,
  { statement }: CollectorState,
  { crypto, collectorKey, platformId }: DelivererTools,
): boolean {
  if (statement === undefined) return false;
  const signed = decodeSigned(fromBase64(statement, 'bad-message'), readDelivery);
  const { value } = signed;
  return (
    isSignedBy(crypto, meter.identity.publicKey, signed) &&
    value.platformId === platformId &&
    value.meter.subject === meter.ref.subject &&
    equalBytes(value.meter.commitment, meter.ref.commitment) &&
    equalBytes(value.collectorKey, collectorKey) &&
    value.first === theirs.first &&
    value.to === theirs.ackedTo &&
    equalBytes(value.runningHash, theirs.runningHash)
  );
}
