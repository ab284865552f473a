import type { Hasher } from '@meterseal/protocol';
import { ByteWriter } from '@meterseal/protocol';
import type { EnrolmentRow } from './store.js';

/**
 * No entry covers a spent code and the salts beside it, so their row covers itself:
 * SHA-256(u64 index ‖ u32 subject ‖ code hash[32] ‖ holder salt[16] ‖ nonce[32]).
 */
export function enrolmentDigest(hasher: Hasher, row: Omit<EnrolmentRow, 'digest'>): Uint8Array {
  const { index, subject, codeHash, holderSalt, nonce } = row;
  return hasher.sha256(
    new ByteWriter().u64(index).u32(subject).bytes(codeHash).bytes(holderSalt).bytes(nonce).done(),
  );
}
