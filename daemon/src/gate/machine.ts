import type { LeasePurpose, ReadBack, SwitchFault, SwitchState } from '@meterseal/protocol';
import { equalBytes, isSwitchEdge } from '@meterseal/protocol';

/*
 * The isolation switch as a pure state machine: one transition function, no I/O, no clock.
 *
 *   isolated ──lease──▶ connecting ──driven──▶ connected
 *      ▲                    │ release, expiry, stop     │
 *      │                    ▼                           ▼
 *      └──read back──── isolating ◀─────────────────────┘        any ──failure, disagreement──▶ fault ──read back──▶ isolated
 *
 * `isolated` is only ever entered on what was read back, or when the chain refused before the driver was asked.
 */

/** What was granted, and to whom. */
export type Lease = {
  readonly id: Uint8Array;
  /** The collector's key. */
  readonly who: Uint8Array;
  readonly counter: number;
  readonly purpose: LeasePurpose;
  /** Granted milliseconds, the configured cap applied. */
  readonly max: number;
  /** Monotonic time at which the switch isolates, whatever the holder does. */
  readonly deadline: number;
};

/** Why the switch is in fault; `spool` is a transition that could not be written down, so it is never recorded. */
export type FaultReason = Extract<SwitchFault, 'disagree' | 'driver'> | 'spool';

export type GateState =
  | { readonly name: 'isolated' }
  /** First the chain commits, then the driver connects. */
  | { readonly name: 'connecting'; readonly lease: Lease; readonly step: 'commit' | 'drive' }
  | { readonly name: 'connected'; readonly lease: Lease; readonly port: number }
  | { readonly name: 'isolating'; readonly lease: Lease | null; readonly boot: boolean }
  /** `assured`: every witness says isolated, although something failed. */
  | {
      readonly name: 'fault';
      readonly lease: Lease | null;
      readonly reason: FaultReason;
      readonly assured: boolean;
    };

export type Machine = {
  readonly state: GateState;
  /** Where the recorded transitions stand; edges that the chain does not have from there are not recorded. */
  readonly recorded: SwitchState;
  /** Number of the latest task given to the driver: results of earlier ones say nothing about now. */
  readonly operation: number;
  /** What the witnesses said last. */
  readonly readBacks: readonly ReadBack[];
};

export type Input =
  /** The process starts; `recorded` is the last transition written down. */
  | { readonly kind: 'boot'; readonly recorded: SwitchState }
  /** A request that was checked in every way. */
  | { readonly kind: 'lease'; readonly lease: Lease }
  /** `connecting` is on the chain. */
  | { readonly kind: 'committed'; readonly lease: Lease }
  /** The chain refused `connecting` for good: it is not on the chain, and neither is what followed it. */
  | { readonly kind: 'refused' }
  /** The chain gave no answer in time: `connecting` may or may not be on it. */
  | { readonly kind: 'unanswered'; readonly lease: Lease }
  /** The driver did its task, and this was read back. */
  | {
      readonly kind: 'driven';
      readonly operation: number;
      readonly port: number;
      readonly readBacks: readonly ReadBack[];
    }
  | { readonly kind: 'failed'; readonly operation: number; readonly readBacks: readonly ReadBack[] }
  /** The driver gave no answer in time. */
  | { readonly kind: 'hung'; readonly operation: number }
  /** The regular look while connected, and for some drivers while isolated. */
  | { readonly kind: 'checked'; readonly operation: number; readonly readBacks: readonly ReadBack[] }
  | { readonly kind: 'release'; readonly id: Uint8Array; readonly who: Uint8Array }
  | { readonly kind: 'expired'; readonly lease: Lease }
  /** Time to try isolating again. */
  | { readonly kind: 'retry' }
  /** The chain's last transition was taken as ours: the spool was lost, or the two had fallen apart. */
  | { readonly kind: 'adopted'; readonly to: SwitchState }
  /** A transition could not be written down. */
  | { readonly kind: 'unrecorded' }
  | { readonly kind: 'stop' };

/** A transition before the role adds its driver and clock. */
export type TransitionDraft = {
  readonly from: SwitchState;
  readonly to: SwitchState;
  readonly lease: Lease | null;
  readonly fault: SwitchFault;
  readonly readBacks: readonly ReadBack[];
};

export type Effect =
  | { readonly act: 'record'; readonly transition: TransitionDraft }
  /** Have `connecting` committed, and say how it went. */
  | { readonly act: 'commit'; readonly lease: Lease }
  | { readonly act: 'connect' | 'isolate'; readonly operation: number }
  | { readonly act: 'retry-later' };

export type Step = { readonly machine: Machine; readonly effects: readonly Effect[] };

/** Before `boot`: nothing is known, so nothing is claimed. */
export const NEW_MACHINE: Machine = {
  state: { name: 'isolating', lease: null, boot: true },
  recorded: 'isolated',
  operation: 0,
  readBacks: [],
};

/** The one transition function: where the machine goes, and what has to be done, in this order. */
export function step(machine: Machine, input: Input): Step {
  const { state } = machine;
  if (input.kind === 'boot') return isolate({ ...machine, recorded: input.recorded }, null, true);
  if (input.kind === 'unrecorded') return unrecorded(machine);
  if ('operation' in input && input.operation !== machine.operation) return stay(machine);
  switch (state.name) {
    case 'isolated':
      return whileIsolated(machine, input);
    case 'connecting':
      return whileConnecting(machine, state, input);
    case 'connected':
      return whileConnected(machine, state, input);
    case 'isolating':
      return whileIsolating(machine, state, input);
    case 'fault':
      return whileFault(machine, state, input);
  }
}

type State<Name extends GateState['name']> = Extract<GateState, { name: Name }>;

function whileIsolated(machine: Machine, input: Input): Step {
  switch (input.kind) {
    case 'lease': {
      const { lease } = input;
      const connecting = { ...machine, state: { name: 'connecting', lease, step: 'commit' } as const };
      const next = record(connecting, 'connecting', 'none', lease, []);
      return { machine: next.machine, effects: [...next.effects, { act: 'commit', lease }] };
    }
    case 'refused':
      return stay({ ...machine, recorded: 'isolated' });
    case 'adopted':
      // The chain's run has no end, and the switch is known to be isolated: this is the end.
      return enterIsolated({ ...machine, recorded: input.to }, null, true, machine.readBacks);
    case 'checked': {
      const { readBacks } = input;
      // Something else has moved the switch. The chain has no edge for it, so it is not recorded.
      if (!agree(readBacks, 'isolated')) return disconnectInFault(machine, null, 'disagree', readBacks);
      return stay({ ...machine, readBacks });
    }
    default:
      return stay(machine);
  }
}

function whileConnecting(machine: Machine, state: State<'connecting'>, input: Input): Step {
  const { lease } = state;
  // Until `connecting` is committed the driver has no task.
  if ('operation' in input && state.step === 'commit') return stay(machine);
  switch (input.kind) {
    case 'committed':
      if (input.lease !== lease || state.step !== 'commit') return stay(machine);
      return drive({ ...machine, state: { ...state, step: 'drive' } }, 'connect');
    case 'refused':
      if (state.step !== 'commit') return isolate({ ...machine, recorded: 'isolated' }, lease);
      // The driver was never asked: what was read back last still holds.
      return stay({ ...machine, state: { name: 'isolated' }, recorded: 'isolated' });
    case 'unanswered':
      return input.lease === lease ? isolate(machine, lease) : stay(machine);
    case 'driven': {
      const { port, readBacks } = input;
      if (!agree(readBacks, 'connected')) return disconnectInFault(machine, lease, 'disagree', readBacks);
      const connected = { ...machine, state: { name: 'connected', lease, port } as const, readBacks };
      return record(connected, 'connected', 'none', lease, readBacks);
    }
    case 'failed':
      return disconnectInFault(machine, lease, 'driver', input.readBacks);
    case 'hung':
      return disconnectInFault(machine, lease, 'driver', []);
    default:
      return whileLeased(machine, lease, input);
  }
}

function whileConnected(machine: Machine, state: State<'connected'>, input: Input): Step {
  if (input.kind !== 'checked') return whileLeased(machine, state.lease, input);
  const { readBacks } = input;
  if (!agree(readBacks, 'connected')) return disconnectInFault(machine, state.lease, 'disagree', readBacks);
  return stay({ ...machine, readBacks });
}

/** What ends a lease, in either state that has one. */
function whileLeased(machine: Machine, lease: Lease, input: Input): Step {
  switch (input.kind) {
    case 'release':
      return isHolder(lease, input) ? isolate(machine, lease) : stay(machine);
    case 'expired':
      return input.lease === lease ? isolate(machine, lease) : stay(machine);
    case 'stop':
      return isolate(machine, lease);
    case 'refused':
      return isolate({ ...machine, recorded: 'isolated' }, lease);
    case 'adopted':
      // Chain and gate do not mean the same window any more, so that a comparison in it would be void.
      return isolate({ ...machine, recorded: input.to }, lease);
    default:
      return stay(machine);
  }
}

function whileIsolating(machine: Machine, state: State<'isolating'>, input: Input): Step {
  const { lease, boot } = state;
  switch (input.kind) {
    case 'driven':
      if (!agree(input.readBacks, 'isolated'))
        return remainInFault(machine, lease, 'disagree', input.readBacks);
      return enterIsolated(machine, lease, boot, input.readBacks);
    case 'failed':
      return remainInFault(machine, lease, 'driver', input.readBacks);
    case 'hung':
      return remainInFault(machine, lease, 'driver', []);
    default:
      return recordedElsewhere(machine, input);
  }
}

function whileFault(machine: Machine, state: State<'fault'>, input: Input): Step {
  const { lease, reason } = state;
  switch (input.kind) {
    case 'driven':
      if (!agree(input.readBacks, 'isolated')) return remainInFault(machine, lease, reason, input.readBacks);
      if (reason !== 'spool') return enterIsolated(machine, lease, false, input.readBacks);
      return stay({ ...machine, state: { ...state, assured: true }, readBacks: input.readBacks });
    case 'failed':
      return remainInFault(machine, lease, reason, input.readBacks);
    case 'hung':
      return remainInFault(machine, lease, reason, []);
    case 'retry':
    case 'stop':
      return drive(machine, 'isolate');
    default:
      return recordedElsewhere(machine, input);
  }
}

/** The chain's answer came when the switch had already moved on: only what is recorded changes. */
function recordedElsewhere(machine: Machine, input: Input): Step {
  if (input.kind === 'refused') return stay({ ...machine, recorded: 'isolated' });
  if (input.kind === 'adopted') return stay({ ...machine, recorded: input.to });
  return stay(machine);
}

function stay(machine: Machine): Step {
  return { machine, effects: [] };
}

function drive(machine: Machine, act: 'connect' | 'isolate'): Step {
  const operation = machine.operation + 1;
  return { machine: { ...machine, operation }, effects: [{ act, operation }] };
}

function isolate(machine: Machine, lease: Lease | null, boot = false): Step {
  const driven = drive({ ...machine, state: { name: 'isolating', lease, boot } }, 'isolate');
  // At boot the run that was left without an end gets exactly one transition: its end.
  if (boot) return driven;
  const recorded = record(driven.machine, 'isolating', 'none', lease, []);
  return { machine: recorded.machine, effects: [...driven.effects, ...recorded.effects] };
}

function enterIsolated(
  machine: Machine,
  lease: Lease | null,
  boot: boolean,
  readBacks: readonly ReadBack[],
): Step {
  const { recorded } = machine;
  const unknown = recorded === 'connecting' || recorded === 'connected';
  const fault = unknown ? 'end-unknown' : boot ? 'crash' : 'none';
  const isolated = { ...machine, state: { name: 'isolated' } as const, readBacks };
  return record(isolated, 'isolated', fault, boot ? null : lease, readBacks);
}

/** A fault while something may be connected: isolate at once. */
function disconnectInFault(
  machine: Machine,
  lease: Lease | null,
  reason: Exclude<FaultReason, 'spool'>,
  readBacks: readonly ReadBack[],
): Step {
  const state = { name: 'fault', lease, reason, assured: false } as const;
  const driven = drive({ ...machine, state, readBacks }, 'isolate');
  const recorded = record(driven.machine, 'fault', reason, lease, readBacks);
  return { machine: recorded.machine, effects: [...driven.effects, ...recorded.effects] };
}

/** Isolating did not succeed, or could not be shown: say so, and try again later. */
function remainInFault(
  machine: Machine,
  lease: Lease | null,
  reason: FaultReason,
  readBacks: readonly ReadBack[],
): Step {
  const state = { name: 'fault', lease, reason, assured: agree(readBacks, 'isolated') } as const;
  const failed = { ...machine, state, readBacks };
  const recorded = reason === 'spool' ? stay(failed) : record(failed, 'fault', reason, lease, readBacks);
  return { machine: recorded.machine, effects: [...recorded.effects, { act: 'retry-later' }] };
}

/** What cannot be written down must not be done: isolate, and take no lease until the next start. */
function unrecorded(machine: Machine): Step {
  const { state } = machine;
  if (state.name === 'fault' && state.reason === 'spool') return stay(machine);
  const lease = state.name === 'isolated' ? null : state.lease;
  return drive({ ...machine, state: { name: 'fault', lease, reason: 'spool', assured: false } }, 'isolate');
}

function record(
  machine: Machine,
  to: SwitchState,
  fault: SwitchFault,
  lease: Lease | null,
  readBacks: readonly ReadBack[],
): Step {
  const from = machine.recorded;
  if (from === to || !isSwitchEdge(from, to, fault)) return stay(machine);
  const transition = { from, to, lease, fault, readBacks };
  return { machine: { ...machine, recorded: to }, effects: [{ act: 'record', transition }] };
}

/** All witnesses, and at least one, say the same and know it. */
export function agree(readBacks: readonly ReadBack[], says: 'isolated' | 'connected'): boolean {
  return readBacks.length > 0 && readBacks.every((readBack) => readBack.says === says);
}

function isHolder(lease: Lease, asking: { readonly id: Uint8Array; readonly who: Uint8Array }): boolean {
  return equalBytes(lease.id, asking.id) && equalBytes(lease.who, asking.who);
}
