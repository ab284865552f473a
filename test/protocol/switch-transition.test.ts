import {
  decodeEntry,
  ENTRY_HEADER_BYTES,
  type Entry,
  isSwitchEdge,
  LEASE_PURPOSES,
  MAX_SWITCH_WITNESSES,
  READ_BACKS,
  SWITCH_DRIVERS,
  SWITCH_FAULTS,
  SWITCH_STATES,
  SWITCH_WITNESSES,
  type SwitchFault,
  type SwitchState,
  type SwitchTransition,
  transitionBytes,
  transitionFromBytes,
} from '@meterseal/protocol';
import t from 'tap';
import { namedEntry, vectors } from './message-vectors.js';

const REFUSED = { code: 'bad-message' };
const body = (name: string) => namedEntry(name).subarray(ENTRY_HEADER_BYTES);
const names = Object.keys(SWITCH_STATES) as SwitchState[];
const faults = Object.keys(SWITCH_FAULTS) as SwitchFault[];

t.test('a transition alone is the body of its entry', async (t) => {
  const switches = vectors.entries.filter(({ name }) => name.startsWith('switch'));
  t.equal(switches.length, 4);
  for (const { name } of switches) {
    const transition = transitionFromBytes(body(name));
    const { time, subject, seq, type, ...fields } = decodeEntry(namedEntry(name)) as Entry & {
      type: 'switch';
    };
    t.strictSame(transition, fields, name);
    t.strictSame(transitionBytes(transition), body(name), name);
    t.strictSame([time > 0, subject, seq, type], [true, 0, Number(name.at(-1)), 'switch']);
  }
  const [first] = switches.map(({ name }) => transitionFromBytes(body(name)));
  t.equal(first!.from, 'isolated');
  t.equal(first!.to, 'connecting');
  t.equal(first!.driver, 'link');
  t.equal(first!.grade, 1);
  t.equal(first!.counter, 7);
  t.equal(first!.purpose, 'comparison');
  t.equal(first!.max, 60_000);
  t.strictSame(first!.readBacks, [
    { witness: 'listener', says: 'isolated' },
    { witness: 'nft-set', says: 'isolated' },
  ]);
});

t.test('the numbers of states, drivers, faults and witnesses are fixed', async (t) => {
  t.strictSame(SWITCH_STATES, { isolated: 0, connecting: 1, connected: 2, isolating: 3, fault: 4 });
  t.strictSame(SWITCH_DRIVERS, { process: 0, link: 1, 'modbus-relay': 2, gpio: 3 });
  t.strictSame(SWITCH_FAULTS, { none: 0, disagree: 1, driver: 2, crash: 3, 'end-unknown': 4 });
  t.strictSame(LEASE_PURPOSES, { none: 0, comparison: 1, maintenance: 2 });
  t.strictSame(READ_BACKS, { isolated: 0, connected: 1, unknown: 2 });
  t.strictSame(SWITCH_WITNESSES, {
    listener: 1,
    'live-sockets': 2,
    'nft-set': 3,
    carrier: 4,
    coil: 5,
    contact: 6,
  });
});

t.test('only the edges of the state machine exist, and a boot may isolate from any state', async (t) => {
  const edges = new Set([
    'isolated connecting',
    'connecting connected',
    'connecting isolating',
    'connecting fault',
    'connected isolating',
    'connected fault',
    'isolating isolated',
    'isolating fault',
    'fault isolating',
    'fault isolated',
  ]);
  const like = transitionFromBytes(body('switch 1'));
  for (const from of names) {
    for (const to of names) {
      for (const fault of faults) {
        const atBoot = to === 'isolated' && (fault === 'crash' || fault === 'end-unknown');
        const exists = edges.has(`${from} ${to}`) || atBoot;
        const what = `${from} to ${to}, fault ${fault}`;
        t.equal(isSwitchEdge(from, to, fault), exists, what);
        const transition: SwitchTransition = { ...like, from, to, fault };
        const bytes = body('switch 1').slice();
        bytes.set([SWITCH_STATES[from], SWITCH_STATES[to]]);
        bytes.set([0, SWITCH_FAULTS[fault]], 61);
        if (exists) {
          t.strictSame(transitionBytes(transition), bytes, what);
          t.strictSame(transitionFromBytes(bytes), transition, what);
        } else {
          t.throws(() => transitionBytes(transition), { code: 'bad-argument' }, what);
          t.throws(() => transitionFromBytes(bytes), REFUSED, what);
        }
      }
    }
  }
});

t.test('values that are not listed, short and trailing bytes are refused', async (t) => {
  const bytes = body('switch 2');
  for (const [at, wrong] of [
    [0, 5],
    [1, 5],
    [2, 4],
    [3, 4],
    [52, 0x20],
    [60, 3],
    [61, 1],
    [62, 5],
    [63, 0x20],
    [75, 1],
    [75, 3],
    [76, 0],
    [76, 7],
    [77, 3],
  ] as const) {
    const changed = bytes.slice();
    changed[at] = wrong;
    t.throws(() => transitionFromBytes(changed), REFUSED, `${wrong} at ${at}`);
  }
  for (let length = 0; length < bytes.length; length++) {
    t.throws(() => transitionFromBytes(bytes.subarray(0, length)), REFUSED, `cut to ${length}`);
  }
  t.throws(() => transitionFromBytes(Uint8Array.of(...bytes, 0)), REFUSED, 'a byte too many');
});

t.test('a transition has at most eight read-backs', async (t) => {
  const like = transitionFromBytes(body('switch 2'));
  const readBacks = Array.from({ length: MAX_SWITCH_WITNESSES }, () => like.readBacks[0]!);
  const full = { ...like, readBacks };
  t.strictSame(transitionFromBytes(transitionBytes(full)), full);
  const over = { ...like, readBacks: [...readBacks, readBacks[0]!] };
  t.throws(() => transitionBytes(over), { code: 'bad-argument' });
  const bytes = Uint8Array.of(...transitionBytes(full), 1, 0);
  bytes[75] = MAX_SWITCH_WITNESSES + 1;
  t.throws(() => transitionFromBytes(bytes), REFUSED);
});
