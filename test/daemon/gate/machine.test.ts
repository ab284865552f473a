import type { ReadBack, SwitchState } from '@meterseal/protocol';
import { isSwitchEdge, SWITCH_STATES } from '@meterseal/protocol';
import type { Effect, Input, Lease, Machine } from 'meterseal/internal/gate/machine';
import { agree, NEW_MACHINE, step } from 'meterseal/internal/gate/machine';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';

const lease: Lease = {
  id: new Uint8Array(16).fill(7),
  who: new Uint8Array(32).fill(8),
  counter: 5,
  purpose: 'comparison',
  max: 60_000,
  deadline: 61_000,
};
const other: Lease = { ...lease, id: new Uint8Array(16).fill(9), counter: 6 };

const says = (listener: ReadBack['says'], sockets: ReadBack['says']): ReadBack[] => [
  { witness: 'listener', says: listener },
  { witness: 'live-sockets', says: sockets },
];
const ISOLATED = says('isolated', 'isolated');
const CONNECTED = says('connected', 'connected');
const MIXED = says('isolated', 'connected');

const machines: Record<string, Machine> = {
  isolated: { state: { name: 'isolated' }, recorded: 'isolated', operation: 3, readBacks: ISOLATED },
  committing: {
    state: { name: 'connecting', lease, step: 'commit' },
    recorded: 'connecting',
    operation: 3,
    readBacks: ISOLATED,
  },
  driving: {
    state: { name: 'connecting', lease, step: 'drive' },
    recorded: 'connecting',
    operation: 3,
    readBacks: ISOLATED,
  },
  connected: {
    state: { name: 'connected', lease, port: 4000 },
    recorded: 'connected',
    operation: 3,
    readBacks: CONNECTED,
  },
  isolating: {
    state: { name: 'isolating', lease, boot: false },
    recorded: 'isolating',
    operation: 3,
    readBacks: CONNECTED,
  },
  booting: {
    state: { name: 'isolating', lease: null, boot: true },
    recorded: 'connected',
    operation: 3,
    readBacks: [],
  },
  fault: {
    state: { name: 'fault', lease, reason: 'disagree', assured: false },
    recorded: 'fault',
    operation: 3,
    readBacks: MIXED,
  },
  unwritable: {
    state: { name: 'fault', lease, reason: 'spool', assured: false },
    recorded: 'connected',
    operation: 3,
    readBacks: CONNECTED,
  },
};

const driven = { kind: 'driven', operation: 3, port: 4000 } as const;
const inputs: Record<string, Input> = {
  boot: { kind: 'boot', recorded: 'connecting' },
  lease: { kind: 'lease', lease: other },
  committed: { kind: 'committed', lease },
  'committed, of another lease': { kind: 'committed', lease: other },
  refused: { kind: 'refused' },
  unanswered: { kind: 'unanswered', lease },
  'unanswered, of another lease': { kind: 'unanswered', lease: other },
  'driven, all isolated': { ...driven, readBacks: ISOLATED },
  'driven, all connected': { ...driven, readBacks: CONNECTED },
  'driven, witnesses disagree': { ...driven, readBacks: MIXED },
  'driven, no witness': { ...driven, readBacks: [] },
  'driven, of an earlier task': { ...driven, operation: 2, readBacks: MIXED },
  'failed, all isolated': { kind: 'failed', operation: 3, readBacks: ISOLATED },
  'failed, of an earlier task': { kind: 'failed', operation: 2, readBacks: MIXED },
  hung: { kind: 'hung', operation: 3 },
  'checked, all connected': { kind: 'checked', operation: 3, readBacks: CONNECTED },
  'checked, all isolated': { kind: 'checked', operation: 3, readBacks: ISOLATED },
  'checked, witnesses disagree': { kind: 'checked', operation: 3, readBacks: MIXED },
  'release by the holder': { kind: 'release', id: lease.id, who: lease.who },
  'release by another key': { kind: 'release', id: lease.id, who: other.who.map(() => 1) },
  'release of another lease': { kind: 'release', id: other.id, who: lease.who },
  expired: { kind: 'expired', lease },
  'expired, another lease': { kind: 'expired', lease: other },
  retry: { kind: 'retry' },
  'adopted isolated': { kind: 'adopted', to: 'isolated' },
  'adopted connected': { kind: 'adopted', to: 'connected' },
  unrecorded: { kind: 'unrecorded' },
  stop: { kind: 'stop' },
};

// What is not listed changes nothing and asks for nothing.
const table: Record<string, Record<string, string>> = {
  isolated: {
    boot: 'isolating | isolate',
    lease: 'connecting/commit | record isolated>connecting, commit',
    'adopted connected': 'isolated | record connected>isolated end-unknown',
    'checked, all connected': 'fault/disagree | isolate',
    'checked, witnesses disagree': 'fault/disagree | isolate',
    unrecorded: 'fault/spool | isolate',
  },
  committing: {
    boot: 'isolating | isolate',
    committed: 'connecting/drive | connect',
    refused: 'isolated |',
    unanswered: 'isolating | isolate, record connecting>isolating',
    'release by the holder': 'isolating | isolate, record connecting>isolating',
    expired: 'isolating | isolate, record connecting>isolating',
    'adopted isolated': 'isolating | isolate',
    'adopted connected': 'isolating | isolate, record connected>isolating',
    unrecorded: 'fault/spool | isolate',
    stop: 'isolating | isolate, record connecting>isolating',
  },
  driving: {
    boot: 'isolating | isolate',
    refused: 'isolating | isolate',
    unanswered: 'isolating | isolate, record connecting>isolating',
    'driven, all isolated': 'fault/disagree | isolate, record connecting>fault disagree',
    'driven, all connected': 'connected | record connecting>connected',
    'driven, witnesses disagree': 'fault/disagree | isolate, record connecting>fault disagree',
    'driven, no witness': 'fault/disagree | isolate, record connecting>fault disagree',
    'failed, all isolated': 'fault/driver | isolate, record connecting>fault driver',
    hung: 'fault/driver | isolate, record connecting>fault driver',
    'release by the holder': 'isolating | isolate, record connecting>isolating',
    expired: 'isolating | isolate, record connecting>isolating',
    'adopted isolated': 'isolating | isolate',
    'adopted connected': 'isolating | isolate, record connected>isolating',
    unrecorded: 'fault/spool | isolate',
    stop: 'isolating | isolate, record connecting>isolating',
  },
  connected: {
    boot: 'isolating | isolate',
    refused: 'isolating | isolate',
    'checked, all isolated': 'fault/disagree | isolate, record connected>fault disagree',
    'checked, witnesses disagree': 'fault/disagree | isolate, record connected>fault disagree',
    'release by the holder': 'isolating | isolate, record connected>isolating',
    expired: 'isolating | isolate, record connected>isolating',
    'adopted isolated': 'isolating | isolate',
    'adopted connected': 'isolating | isolate, record connected>isolating',
    unrecorded: 'fault/spool | isolate',
    stop: 'isolating | isolate, record connected>isolating',
  },
  isolating: {
    boot: 'isolating | isolate',
    'driven, all isolated': 'isolated | record isolating>isolated',
    'driven, all connected': 'fault/disagree | record isolating>fault disagree, retry-later',
    'driven, witnesses disagree': 'fault/disagree | record isolating>fault disagree, retry-later',
    'driven, no witness': 'fault/disagree | record isolating>fault disagree, retry-later',
    'failed, all isolated': 'fault/driver assured | record isolating>fault driver, retry-later',
    hung: 'fault/driver | record isolating>fault driver, retry-later',
    unrecorded: 'fault/spool | isolate',
  },
  booting: {
    boot: 'isolating | isolate',
    'driven, all isolated': 'isolated | record connected>isolated end-unknown',
    'driven, all connected': 'fault/disagree | record connected>fault disagree, retry-later',
    'driven, witnesses disagree': 'fault/disagree | record connected>fault disagree, retry-later',
    'driven, no witness': 'fault/disagree | record connected>fault disagree, retry-later',
    'failed, all isolated': 'fault/driver assured | record connected>fault driver, retry-later',
    hung: 'fault/driver | record connected>fault driver, retry-later',
    unrecorded: 'fault/spool | isolate',
  },
  fault: {
    boot: 'isolating | isolate',
    'driven, all isolated': 'isolated | record fault>isolated',
    'driven, all connected': 'fault/disagree | retry-later',
    'driven, witnesses disagree': 'fault/disagree | retry-later',
    'driven, no witness': 'fault/disagree | retry-later',
    'failed, all isolated': 'fault/disagree assured | retry-later',
    hung: 'fault/disagree | retry-later',
    retry: 'fault/disagree | isolate',
    unrecorded: 'fault/spool | isolate',
    stop: 'fault/disagree | isolate',
  },
  unwritable: {
    boot: 'isolating | isolate',
    'driven, all isolated': 'fault/spool assured |',
    'driven, all connected': 'fault/spool | retry-later',
    'driven, witnesses disagree': 'fault/spool | retry-later',
    'driven, no witness': 'fault/spool | retry-later',
    'failed, all isolated': 'fault/spool assured | retry-later',
    hung: 'fault/spool | retry-later',
    retry: 'fault/spool | isolate',
    stop: 'fault/spool | isolate',
  },
};

function describe(machine: Machine, effects: readonly Effect[]): string {
  const { state } = machine;
  let text: string = state.name;
  if (state.name === 'connecting') text += `/${state.step}`;
  if (state.name === 'fault') text += `/${state.reason}${state.assured ? ' assured' : ''}`;
  const done = effects.map((effect) => {
    if (effect.act !== 'record') return effect.act;
    const { from, to, fault } = effect.transition;
    return `record ${from}>${to}${fault === 'none' ? '' : ` ${fault}`}`;
  });
  return `${text} |${done.length > 0 ? ` ${done.join(', ')}` : ''}`;
}

t.test('every input in every state leads where the table says', async (t) => {
  for (const [from, machine] of Object.entries(machines)) {
    for (const [what, input] of Object.entries(inputs)) {
      const next = step(machine, input);
      const expected = table[from]?.[what] ?? describe(machine, []);
      t.equal(describe(next.machine, next.effects), expected, `${from}: ${what}`);
    }
  }
});

t.test('a late answer of the chain changes what is recorded, and nothing else', async (t) => {
  for (const from of ['isolated', 'isolating', 'booting', 'fault']) {
    const refused = step(machines[from]!, { kind: 'refused' }).machine;
    t.equal(refused.recorded, 'isolated', `${from}: refused`);
    t.equal(refused.state.name, machines[from]!.state.name, `${from}: the state stays`);
  }
  const adopted = step(machines['isolating']!, { kind: 'adopted', to: 'connecting' }).machine;
  t.equal(adopted.recorded, 'connecting');
});

t.test('a run that the chain refused leaves no trace in the transitions that follow', async (t) => {
  let { machine } = step(machines['committing']!, { kind: 'stop' });
  machine = step(machine, { kind: 'refused' }).machine;
  const end = step(machine, { ...driven, operation: machine.operation, readBacks: ISOLATED });
  t.equal(describe(end.machine, end.effects), 'isolated |');
  t.equal(end.machine.recorded, 'isolated');
});

t.test('a run that is left without an end is closed at boot', async (t) => {
  const faults: Record<SwitchState, string> = {
    isolated: '',
    connecting: 'record connecting>isolated end-unknown',
    connected: 'record connected>isolated end-unknown',
    isolating: 'record isolating>isolated crash',
    fault: 'record fault>isolated crash',
  };
  for (const recorded of Object.keys(faults) as SwitchState[]) {
    const booted = step(NEW_MACHINE, { kind: 'boot', recorded }).machine;
    const closed = step(booted, { ...driven, operation: booted.operation, readBacks: ISOLATED });
    t.equal(describe(closed.machine, closed.effects), `isolated | ${faults[recorded]}`.trimEnd(), recorded);
    const [effect] = closed.effects;
    if (effect?.act === 'record') t.equal(effect.transition.lease, null, 'no lease stands behind it');
  }
});

t.test('a boot that cannot isolate is a fault that nothing but read-backs clears', async (t) => {
  let { machine } = step(NEW_MACHINE, { kind: 'boot', recorded: 'isolated' });
  const failed = step(machine, { kind: 'hung', operation: machine.operation });
  t.equal(
    describe(failed.machine, failed.effects),
    'fault/driver | retry-later',
    'the chain has no edge for it',
  );
  machine = step(failed.machine, { kind: 'retry' }).machine;
  const cured = step(machine, { ...driven, operation: machine.operation, readBacks: ISOLATED });
  t.equal(describe(cured.machine, cured.effects), 'isolated |');
});

t.test('whatever comes in whatever order, isolated is only claimed on what was read back', async (t) => {
  const random = new SeededRandom(20_261);
  const all = Object.values(inputs);
  let chain: SwitchState = 'isolated';
  let { machine } = step(NEW_MACHINE, { kind: 'boot', recorded: 'isolated' });
  for (let i = 0; i < 20_000; i++) {
    let input = all[random.below(all.length)]!;
    if (input.kind === 'boot') input = { kind: 'boot', recorded: chain };
    if ('operation' in input && random.below(2) === 0) input = { ...input, operation: machine.operation };
    const before = machine;
    const next = step(machine, input);
    machine = next.machine;
    if (input.kind === 'refused') chain = 'isolated';
    if (input.kind === 'adopted') chain = input.to;
    for (const effect of next.effects) {
      if (effect.act !== 'record') continue;
      const { from, to, fault } = effect.transition;
      if (from !== chain || !isSwitchEdge(from, to, fault))
        t.fail(`step ${i}: ${chain}, recorded ${from}>${to}`);
      chain = to;
    }
    if (machine.state.name === 'isolated' && before.state.name !== 'isolated') {
      const shown = input.kind === 'driven' && agree(input.readBacks, 'isolated');
      const neverDriven =
        input.kind === 'refused' && before.state.name === 'connecting' && before.state.step === 'commit';
      if (!shown && !neverDriven) t.fail(`step ${i}: isolated after ${input.kind}`);
    }
    if (machine.recorded !== chain || !(machine.state.name in SWITCH_STATES)) t.fail(`step ${i}`);
  }
  t.pass('20,000 steps');
});
