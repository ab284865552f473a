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
import type { DeliveredMeter, DelivererTools } from './deliverer.js';

/**
 * The first exchange with a collector compares (number, running hash). Four things can be:
 * both agree; an acknowledgement was lost, and our own readings lead to the collector's hash; the collector was put back,
 * and they do too; or our database was put back to an earlier copy. In the last case the collector shows the statement
 * that our own identity key once signed: we take our word back, not the collector's, and use no number twice.
 *
 * @throws MetersealError `conflict` where the collector claims what it cannot show
 */
export async function reconcileWithCollector(meter: DeliveredMeter, tools: DelivererTools): Promise<void> {
  const { client, outbox, collectorKey, log, crypto } = tools;
  const theirs = await client.state(meter.id);
  const hash = fromBase64(theirs.runningHash, 'bad-message');
  const state = { first: theirs.first, ackedTo: theirs.seq, runningHash: hash, acknowledgement: null };
  const ours = await outbox.delivery(meter.number, collectorKey);
  if (ours.first === theirs.first && ours.ackedTo === theirs.seq && equalBytes(ours.runningHash, hash))
    return;

  const hashes = await outbox.hashes(meter.number, theirs.first, theirs.seq);
  const led = hashes?.reduce(
    (previous, reading) => runningHash(crypto, previous, reading),
    RUNNING_HASH_START,
  );
  if (led !== undefined && equalBytes(led, hash)) {
    await outbox.saveDelivery(meter.number, collectorKey, state);
    return;
  }
  if (!isOurWord(meter, tools, theirs, hash)) {
    throw new MetersealError(
      'conflict',
      "couldn't reconcile with collector: it claims readings that were never stated",
      {
        hint: 'Compare the collector with the chain; nothing more is delivered to it until this is settled.',
      },
    );
  }
  log.error(
    { subject: meter.ref.subject, from: ours.ackedTo + 1, to: theirs.seq },
    'the collector is ahead of field.db: it was put back to an earlier copy',
  );
  await outbox.saveDelivery(meter.number, collectorKey, state);
  await outbox.raiseAbove(meter.number, theirs.seq);
}

/** True if our identity key signed what the collector says it holds. */
function isOurWord(
  meter: DeliveredMeter,
  { crypto, collectorKey, platformId }: DelivererTools,
  theirs: CollectorState,
  hash: Uint8Array,
): boolean {
  // Nothing held behind a gap: no statement, and nothing to take anybody's word for.
  if (theirs.seq === theirs.first - 1) return equalBytes(hash, RUNNING_HASH_START);
  if (theirs.statement === undefined) return false;
  const signed = decodeSigned(fromBase64(theirs.statement, 'bad-message'), readDelivery);
  const { value } = signed;
  return (
    isSignedBy(crypto, meter.identity.publicKey, signed) &&
    value.platformId === platformId &&
    equalBytes(value.meter.commitment, meter.ref.commitment) &&
    equalBytes(value.collectorKey, collectorKey) &&
    value.first === theirs.first &&
    value.to === theirs.seq &&
    equalBytes(value.runningHash, hash)
  );
}
