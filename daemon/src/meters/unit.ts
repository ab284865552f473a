import { MetersealError } from '@meterseal/protocol';
import type { BusAddress } from '../modbus/address.js';
import type { Profile } from './profile.js';
import { speaksDlt645 } from './profile.js';

/** 99…99 is everybody's address, and nobody answers to it. */
const LAST_DLT_ADDRESS = 999_999_999_998;

/**
 * The numbers that a meter may have on its bus: 12 digits by DL/T 645; units 248 to 255 are reserved on a serial line of
 * Modbus, and over TCP a meter of its own often has 0 or 255.
 */
export function unitRange(profile: Profile, kind: BusAddress['kind']): readonly [number, number] {
  if (speaksDlt645(profile)) return [1, LAST_DLT_ADDRESS];
  return kind === 'rtu' ? [1, 247] : [0, 255];
}

/** @throws MetersealError `misuse` where meters of this kind cannot be on that kind of bus */
export function checkBusOf(profile: Profile, { kind }: BusAddress): void {
  if (kind === 'rtu' || !speaksDlt645(profile)) return;
  throw new MetersealError('misuse', `couldn't read meters of ${profile.name}: tcp:// is Modbus TCP`, {
    hint: 'DL/T 645 is spoken on serial lines: rtu:///dev/ttyX?baud=2400&parity=even&stop=1',
  });
}
