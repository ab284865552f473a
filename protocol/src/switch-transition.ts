import { ByteReader, ByteWriter } from './bytes.js';
import { MetersealError } from './errors.js';
import { MAX_SWITCH_WITNESSES } from './limits.js';
import { nameOf } from './named-code.js';

/*
 * Body of entry 05, a transition of the isolation switch:
 *
 *   u8 from | u8 to | u8 driver | u8 grade | lease[16] | who[32] | u64 lease counter | u8 purpose | u16 fault
 *   | u64 at_ms | u32 max_ms | u8 n ≤ 8 | n × (u8 witness | u8 says)
 */

export const SWITCH_STATES = { isolated: 0, connecting: 1, connected: 2, isolating: 3, fault: 4 } as const;
export type SwitchState = keyof typeof SWITCH_STATES;

export const SWITCH_DRIVERS = { process: 0, link: 1, 'modbus-relay': 2, gpio: 3 } as const;
export type SwitchDriverName = keyof typeof SWITCH_DRIVERS;

export const LEASE_PURPOSES = { none: 0, comparison: 1, maintenance: 2 } as const;
export type LeasePurpose = keyof typeof LEASE_PURPOSES;

export const SWITCH_FAULTS = { none: 0, disagree: 1, driver: 2, crash: 3, 'end-unknown': 4 } as const;
export type SwitchFault = keyof typeof SWITCH_FAULTS;

export const SWITCH_WITNESSES = {
  listener: 1,
  'live-sockets': 2,
  'nft-set': 3,
  carrier: 4,
  coil: 5,
  contact: 6,
} as const;
export type SwitchWitnessName = keyof typeof SWITCH_WITNESSES;

export const READ_BACKS = { isolated: 0, connected: 1, unknown: 2 } as const;
/** What one witness of the switch says of its state. */
export type ReadBack = { readonly witness: SwitchWitnessName; readonly says: keyof typeof READ_BACKS };

/** 0 process, 1 kernel, 2 electrical, 3 one-way hardware. */
export type SwitchGrade = 0 | 1 | 2 | 3;

export type SwitchTransition = {
  readonly from: SwitchState;
  readonly to: SwitchState;
  readonly driver: SwitchDriverName;
  readonly grade: SwitchGrade;
  /** Zeros for timetable, operator and boot; likewise `who` and `counter`. */
  readonly lease: Uint8Array;
  readonly who: Uint8Array;
  readonly counter: number;
  readonly purpose: LeasePurpose;
  readonly fault: SwitchFault;
  /** The gate's clock, milliseconds since 1970. */
  readonly at: number;
  /** The lease's longest time. */
  readonly max: number;
  readonly readBacks: readonly ReadBack[];
};

const EDGES: Readonly<Record<SwitchState, readonly SwitchState[]>> = {
  isolated: ['connecting'],
  connecting: ['connected', 'isolating', 'fault'],
  connected: ['isolating', 'fault'],
  isolating: ['isolated', 'fault'],
  fault: ['isolating', 'isolated'],
};

/** True if the state machine has this edge; a boot may close any state as isolated, with its fault. */
export function isSwitchEdge(from: SwitchState, to: SwitchState, fault: SwitchFault): boolean {
  return EDGES[from].includes(to) || (to === 'isolated' && (fault === 'crash' || fault === 'end-unknown'));
}

/** @throws MetersealError `bad-argument` */
export function encodeTransition(to: ByteWriter, transition: SwitchTransition): void {
  const { from, to: next, fault, readBacks } = transition;
  if (!isSwitchEdge(from, next, fault) || readBacks.length > MAX_SWITCH_WITNESSES) {
    throw new MetersealError('bad-argument', `couldn't encode transition: ${from} to ${next}`);
  }
  to.u8(SWITCH_STATES[from])
    .u8(SWITCH_STATES[next])
    .u8(SWITCH_DRIVERS[transition.driver])
    .u8(transition.grade);
  to.bytes(transition.lease, 16).bytes(transition.who, 32).u64(transition.counter);
  to.u8(LEASE_PURPOSES[transition.purpose]).u16(SWITCH_FAULTS[fault]).u64(transition.at).u32(transition.max);
  to.u8(readBacks.length);
  for (const { witness, says } of readBacks) to.u8(SWITCH_WITNESSES[witness]).u8(READ_BACKS[says]);
}

export function decodeTransition(reader: ByteReader): SwitchTransition {
  const from = nameOf(SWITCH_STATES, reader.u8(), reader);
  const to = nameOf(SWITCH_STATES, reader.u8(), reader);
  const driver = nameOf(SWITCH_DRIVERS, reader.u8(), reader);
  const grade = reader.oneOf<SwitchGrade>([0, 1, 2, 3], 'grade');
  const lease = reader.bytes(16);
  const who = reader.bytes(32);
  const counter = reader.u64();
  const purpose = nameOf(LEASE_PURPOSES, reader.u8(), reader);
  const fault = nameOf(SWITCH_FAULTS, reader.u16(), reader);
  const at = reader.u64();
  const max = reader.u32();
  const count = reader.u8();
  if (count > MAX_SWITCH_WITNESSES) reader.refuse(`${count} witnesses`);
  const readBacks: ReadBack[] = [];
  for (let i = 0; i < count; i++) {
    const witness = nameOf(SWITCH_WITNESSES, reader.u8(), reader);
    readBacks.push({ witness, says: nameOf(READ_BACKS, reader.u8(), reader) });
  }
  if (!isSwitchEdge(from, to, fault)) reader.refuse(`no edge from ${from} to ${to}`);
  return { from, to, driver, grade, lease, who, counter, purpose, fault, at, max, readBacks };
}

/** A transition as the gate spools it and posts it to switch.sock: the body of entry 05 alone. */
export function transitionBytes(transition: SwitchTransition): Uint8Array {
  const writer = new ByteWriter();
  encodeTransition(writer, transition);
  return writer.done();
}

/** @throws MetersealError `bad-message` */
export function transitionFromBytes(bytes: Uint8Array): SwitchTransition {
  const reader = new ByteReader(bytes, 'bad-message');
  const transition = decodeTransition(reader);
  reader.end();
  return transition;
}
