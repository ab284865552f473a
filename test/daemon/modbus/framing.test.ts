import { withCrc } from 'meterseal/internal/modbus/crc';
import type { LineAction, LineInput, LineTiming } from 'meterseal/internal/modbus/framing';
import { Framing } from 'meterseal/internal/modbus/framing';
import { LateReplies } from 'meterseal/internal/modbus/late-replies';
import type { RegisterRead } from 'meterseal/internal/modbus/register-read';
import { RtuWire } from 'meterseal/internal/modbus/rtu-wire';
import { TcpWire } from 'meterseal/internal/modbus/tcp-wire';
import t from 'tap';

const TIMING: LineTiming = { responseMs: 100, byteMs: 0, gapMs: 4, silenceMs: 50, drainMs: 50 };
const READ: RegisterRead = { unit: 1, fc: 4, at: 0, count: 6 };

/** What a machine does with inputs at given times, in words. */
class Line {
  readonly framing: Framing;

  constructor(wire: RtuWire | TcpWire = new RtuWire(), timing = TIMING) {
    this.framing = new Framing(wire, timing, new LateReplies());
  }

  at(now: number, input: LineInput | { kind: 'answer'; read: RegisterRead; word?: number }): string[] {
    const bytes = 'word' in input || input.kind === 'answer' ? answer(input.read, input.word) : undefined;
    const real: LineInput = bytes === undefined ? (input as LineInput) : { kind: 'bytes', bytes };
    return this.framing.step(real, now).map(say);
  }

  read(now: number, read = READ, deadline = now + 1_000): string[] {
    return this.at(now, { kind: 'read', read, deadline });
  }

  bytes(now: number, ...bytes: number[]): string[] {
    return this.at(now, { kind: 'bytes', bytes: Uint8Array.from(bytes) });
  }

  /** Opens and clears the line: what follows is sent as soon as it is asked for. */
  clear(): this {
    this.at(0, { kind: 'opened' });
    this.read(60);
    this.at(61, { kind: 'answer', read: { ...READ, count: 4 } });
    this.at(70, { kind: 'clock' });
    this.at(71, { kind: 'answer', read: READ });
    return this;
  }
}

function answer({ unit, fc, count }: RegisterRead, word = 7): Uint8Array {
  return withCrc(Uint8Array.of(unit, fc, 2 * count, ...new Array<number[]>(count).fill([0, word]).flat()));
}

function say(action: LineAction): string {
  switch (action.kind) {
    case 'send': {
      // A request over TCP has 12 bytes, and its unit behind the transaction number.
      const [unit, fc, , at, , count] = action.bytes.length === 12 ? action.bytes.slice(6) : action.bytes;
      return `send ${unit}/${fc}/${at}+${count}`;
    }
    case 'accept':
      return `accept ${action.words.length}`;
    case 'reject':
      return `reject ${action.code}`;
    case 'need-silence':
      return `silence ${action.until}`;
    case 'abandon':
      return 'abandon';
  }
}

t.test(
  'after opening, what is left in the line is drained, and then cleared by another length',
  async (t) => {
    const line = new Line();
    t.same(line.at(0, { kind: 'opened' }), ['silence 50']);
    t.same(line.read(10), []);
    t.same(line.at(30, { kind: 'answer', read: READ }), ['silence 80'], 'a reply to somebody before us');
    t.equal(line.framing.wakeAt, 80);
    t.same(line.at(79, { kind: 'clock' }), []);
    t.same(line.at(80, { kind: 'clock' }), ['send 1/4/0+4']);
    t.same(line.at(90, { kind: 'answer', read: { ...READ, count: 4 } }), ['silence 94']);
    t.same(line.at(94, { kind: 'clock' }), ['send 1/4/0+6']);
    t.same(line.at(99, { kind: 'answer', read: READ }), ['accept 6', 'silence 103']);
  },
);

t.test('a silent meter is said to give no answer, a half answer to be too slow', async (t) => {
  const line = new Line().clear();
  t.same(line.read(200, { ...READ, count: 8 }), ['send 1/4/0+8']);
  t.equal(line.framing.wakeAt, 300);
  t.same(line.at(300, { kind: 'clock' }), ['reject no-answer', 'silence 350']);
  const other = new Line().clear();
  other.read(200, { ...READ, count: 8 });
  other.bytes(250, 1, 4, 16, 0);
  t.same(other.at(300, { kind: 'clock' }), ['reject timeout', 'silence 350']);
});

t.test(
  'after a timeout come silence and one read of another length, and late answers are thrown away',
  async (t) => {
    const line = new Line().clear();
    const late = { ...READ, count: 8 };
    line.read(200, late);
    line.at(300, { kind: 'clock' });
    t.same(line.read(301, late), []);
    t.same(line.at(340, { kind: 'answer', read: late }), ['silence 390'], 'in the silence');
    t.same(line.at(390, { kind: 'clock' }), ['send 1/4/0+4'], 'neither 6 nor 8');
    t.same(
      line.at(400, { kind: 'answer', read: late }),
      ['silence 450'],
      'later still: not the answer that is due',
    );
    t.same(line.at(450, { kind: 'clock' }), ['send 1/4/0+2']);
    t.same(line.at(460, { kind: 'answer', read: { ...READ, count: 2 } }), ['silence 464']);
    t.same(line.at(464, { kind: 'clock' }), ['send 1/4/0+8']);
    t.same(line.at(470, { kind: 'answer', read: late }), ['accept 8', 'silence 474']);
  },
);

t.test('a bad frame is rejected at its first wrong byte', async (t) => {
  const line = new Line().clear();
  line.read(200, { ...READ, count: 8 });
  t.same(line.bytes(210, 2), ['reject frame-invalid', 'silence 260']);
});

t.test('unsolicited bytes are noticed, before and after an answer', async (t) => {
  const line = new Line().clear();
  t.same(line.bytes(200, 0x55), ['silence 250']);
  t.equal(line.framing.counters.unsolicited, 1);
  t.same(line.read(251, { ...READ, count: 8 }), ['send 1/4/0+4'], 'the line is cleared');
  const behind = new Line().clear();
  t.same(behind.bytes(72, 0x55), ['silence 122'], 'in the gap after the answer');
  t.equal(behind.framing.counters.unsolicited, 1);
});

t.test('the gap between frames is kept', async (t) => {
  const line = new Line().clear();
  t.same(line.read(73, { ...READ, count: 8 }), []);
  t.equal(line.framing.wakeAt, 75);
  t.same(line.at(75, { kind: 'clock' }), ['send 1/4/0+8']);
});

t.test('a meter that answers with exceptions is told from one that does not answer', async (t) => {
  const line = new Line().clear();
  line.read(200, { ...READ, count: 8 });
  t.same(line.bytes(210, ...withCrc(Uint8Array.of(1, 0x84, 2))), ['reject meter-exception', 'silence 214']);
});

t.test(
  "a gateway's word that its meter does not answer is a timeout, and the line is cleared after it",
  async (t) => {
    const line = new Line().clear();
    line.read(200, { ...READ, count: 8 });
    t.same(line.bytes(210, ...withCrc(Uint8Array.of(1, 0x84, 0x0b))), ['reject no-answer', 'silence 260']);
    t.same(line.read(260, { ...READ, count: 10 }), ['send 1/4/0+4']);
  },
);

t.test('a line that never falls silent ends at the deadline', async (t) => {
  const line = new Line();
  line.at(0, { kind: 'opened' });
  line.read(1, READ, 200);
  for (let now = 10; now < 200; now += 10) line.bytes(now, 0xff);
  t.equal(line.framing.wakeAt, 200);
  t.same(line.at(200, { kind: 'clock' }), ['reject timeout']);
});

t.test('a dripping answer ends at the deadline, whatever else comes', async (t) => {
  const line = new Line().clear();
  const read = { ...READ, count: 100 };
  line.read(200, read, 260);
  answer(read)
    .slice(0, 50)
    .forEach((byte, i) => {
      line.bytes(201 + i, byte);
    });
  t.equal(line.framing.wakeAt, 260);
  t.same(line.at(260, { kind: 'clock' }), ['reject timeout', 'silence 310']);
});

t.test('no request goes out after the deadline', async (t) => {
  const line = new Line().clear();
  t.same(line.read(200, { ...READ, count: 8 }, 200), ['reject timeout']);
});

t.test('a port that fails settles the read under way, once', async (t) => {
  const line = new Line().clear();
  line.read(200, { ...READ, count: 8 });
  t.same(line.at(210, { kind: 'closed', reason: 'gone' }), ['reject port-failed']);
  t.same(line.at(211, { kind: 'closed', reason: 'gone' }), []);
  t.same(line.bytes(212, 1, 2, 3), []);
});

t.test('over TCP a cut-off answer ends the connection, a stale one does not', async (t) => {
  const timing: LineTiming = { responseMs: 100, byteMs: 0, gapMs: 0, silenceMs: 0, drainMs: 0 };
  const line = new Line(new TcpWire(), timing);
  const frame = (transaction: number, count: number): number[] => [
    ...[0, transaction, 0, 0, 0, 3 + 2 * count, 1, 4, 2 * count],
    ...new Array<number>(2 * count).fill(0),
  ];
  line.at(0, { kind: 'opened' });
  line.read(0);
  t.match(line.bytes(1, ...frame(1, 4)), ['silence 1', 'send'], 'cleared; the next is sent at once');
  t.same(line.at(101, { kind: 'clock' }), ['reject no-answer', 'silence 101']);
  line.read(102);
  t.same(line.bytes(103, ...frame(2, 6)), [], 'the late answer has an old number');
  t.match(line.bytes(104, ...frame(3, 2)), ['silence 104', 'send']);
  line.bytes(105, ...frame(4, 6).slice(0, 12));
  t.same(line.at(204, { kind: 'clock' }), ['reject timeout', 'abandon']);
});

t.test('an answer that a gateway gives the number of the next request is not taken for it', async (t) => {
  const timing: LineTiming = { responseMs: 100, byteMs: 0, gapMs: 0, silenceMs: 0, drainMs: 0 };
  const line = new Line(new TcpWire(), timing);
  let transaction = 0;
  const answers = (now: number, count: number): string[] => {
    const data = new Array<number>(2 * count).fill(0);
    return line.bytes(now, ...[0, transaction, 0, 0, 0, 3 + 2 * count, 1, 4, 2 * count], ...data);
  };
  line.at(0, { kind: 'opened' });
  line.read(0, { ...READ, count: 8 });
  transaction = 1;
  t.match(answers(1, 6), ['silence', 'send 1/4/0+8']);
  t.match(line.at(101, { kind: 'clock' }), ['reject no-answer']);
  t.match(line.read(101, { ...READ, count: 8 }), ['send 1/4/0+4'], 'not 8, nor 6');
  transaction = 3;
  t.match(answers(101, 8), ['silence', 'send 1/4/0+2'], 'the late answer under the new number');
  transaction = 4;
  t.match(answers(102, 4), ['silence', 'send'], 'and the one to the clearing read');
  t.equal(line.framing.counters.accepted, 0);
});

t.test("a meter's pause is kept behind a read that clears the line", async (t) => {
  const line = new Line();
  line.at(0, { kind: 'opened' });
  line.at(60, { kind: 'read', read: READ, deadline: 1_000, pauseMs: 30 });
  t.same(line.at(61, { kind: 'answer', read: { ...READ, count: 4 } }), ['silence 91']);
  t.same(line.at(91, { kind: 'clock' }), ['send 1/4/0+6']);
  t.same(line.at(95, { kind: 'answer', read: READ }), ['accept 6', 'silence 99'], 'others need not wait');
});
