import type { ErrorCode } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';

/** docs/operate.md has this table with what to do for each. */
export const EXIT = {
  well: 0,
  no: 1,
  misuse: 2,
  commitFailed: 10,
  chainDamaged: 11,
  behindWitness: 12,
  stateInUse: 13,
  diskFull: 14,
  stateUnusable: 15,
  addressInUse: 16,
  unforeseen: 70,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  misuse: EXIT.misuse,
  'bad-config': EXIT.misuse,
  'bad-profile': EXIT.misuse,
  'unknown-profile': EXIT.misuse,
  'bad-policy': EXIT.misuse,
  'bad-roster': EXIT.misuse,
  'file-missing': EXIT.misuse,
  'commit-failed': EXIT.commitFailed,
  'chain-damaged': EXIT.chainDamaged,
  'behind-witness': EXIT.behindWitness,
  'state-in-use': EXIT.stateInUse,
  'disk-full': EXIT.diskFull,
  'state-readonly': EXIT.stateUnusable,
  'socket-path-too-long': EXIT.stateUnusable,
  'file-unusable': EXIT.stateUnusable,
  'file-damaged': EXIT.stateUnusable,
  'address-in-use': EXIT.addressInUse,
};

export function exitCodeOf(error: unknown): number {
  if (!isMetersealError(error)) return EXIT.unforeseen;
  return BY_CODE[error.code] ?? EXIT.no;
}
