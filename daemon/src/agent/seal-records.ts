import type { SigningKey } from '@meterseal/native';
import { pack, SEAL_SIGNATURE_BYTES } from '@meterseal/protocol';

/** Seals records in one call of the engine. @returns signature ‖ record each, in order */
export function sealRecords(key: SigningKey, records: readonly Uint8Array[]): Uint8Array[] {
  const { packed, bounds } = pack(records);
  const sealed = key.sealBatch(packed, bounds);
  return records.map((_, i) => {
    const from = bounds[2 * i]! + SEAL_SIGNATURE_BYTES * i;
    return sealed.subarray(from, bounds[2 * i + 1]! + SEAL_SIGNATURE_BYTES * (i + 1));
  });
}
