import { Framing } from 'meterseal/internal/modbus/framing';
import { LateReplies } from 'meterseal/internal/modbus/late-replies';
import { checkRead, dataRead, describeRead, shapeOf } from 'meterseal/internal/modbus/register-read';
import { RtuWire } from 'meterseal/internal/modbus/rtu-wire';
import { SerialWire } from 'meterseal/internal/modbus/serial-wire';
import t from 'tap';
import { answerData, frameOf } from '../dlt645/frame-of.js';

const address = '000000000161';
const CURRENT = { identifier: '02020100', bytes: 3 };
const READ = { unit: 161, ...dataRead(CURRENT) };
const answer = (value: string, control = 0x91, ...behind: number[]): Uint8Array =>
  frameOf({ address, control, data: answerData(CURRENT.identifier, value, ...behind) });
const WORDS = Uint16Array.of(0x0202, 0x0100, 0x0001, 0x2345);

t.test(
  'a value comes as words: its identifier, and its digits with the most significant first',
  async (t) => {
    const wire = new SerialWire();
    wire.request(READ);
    t.same(wire.receive(Uint8Array.of(0xfe, 0xfe, ...answer('012345'))), { kind: 'words', words: WORDS });
    t.notOk(wire.heard);
  },
);

t.test('what is not that value of that meter is no answer', async (t) => {
  const table: [string, typeof READ, Uint8Array, string | RegExp][] = [
    ['a shorter value', READ, answer('2345'), /a value of 2 bytes/],
    ['a longer value', READ, answer('00012345'), /a value of 4 bytes/],
    ['bytes behind it', READ, Uint8Array.of(...answer('012345'), 0x68), /bytes behind/],
  ];
  for (const [what, read, bytes, reason] of table) {
    const wire = new SerialWire();
    wire.request(read);
    t.match(wire.receive(bytes), { kind: 'invalid', reason }, what);
    t.match(wire.receive(answer('012345')), { kind: 'invalid', reason: /unsolicited/ }, `behind ${what}`);
  }
});

t.test('a meter that refuses is believed', async (t) => {
  const wire = new SerialWire();
  wire.request(READ);
  const refusal = frameOf({ address, control: 0xd1, data: Uint8Array.of(2) });
  t.same(wire.receive(refusal), { kind: 'exception', exception: 2 });
});

t.test('on one line neither protocol takes the frames of the other for its own', async (t) => {
  const wire = new SerialWire();
  const registers = { unit: 0x68, fc: 3, at: 0, count: 1 } as const;
  t.same(wire.request(registers), new RtuWire().request(registers));
  t.match(wire.receive(answer('012345')), { kind: 'invalid' });
  wire.request(READ);
  t.same(wire.receive(Uint8Array.of(0x68, 3, 2, 0, 1, 0, 0)), { kind: 'incomplete' }, 'bytes of no frame');
  t.match(wire.receive(answer('012345')), { kind: 'words' });
});

t.test('an answer in parts is asked for to its end, each part in time', async (t) => {
  const framing = new Framing(
    new SerialWire(),
    { responseMs: 100, byteMs: 0, gapMs: 5, silenceMs: 50, drainMs: 50 },
    new LateReplies(),
  );
  framing.step({ kind: 'opened' }, 0);
  framing.step({ kind: 'read', read: READ, deadline: 1_000 }, 0);
  const [clearing] = framing.step({ kind: 'clock' }, 50);
  t.equal(clearing?.kind, 'send', 'something else first, to clear the line');
  const time = frameOf({ address, control: 0x91, data: answerData('04000102', '120000') });
  framing.step({ kind: 'bytes', bytes: time }, 60);
  const [own] = framing.step({ kind: 'clock' }, 65);
  t.equal(own?.kind, 'send');
  const [next] = framing.step({ kind: 'bytes', bytes: answer('45', 0xb1) }, 120);
  t.equal(next?.kind === 'send' ? next.bytes[12] : undefined, 0x12);
  t.equal(framing.wakeAt, 220);
  const [accepted] = framing.step({ kind: 'bytes', bytes: answer('0123', 0x92, 1) }, 200);
  t.match(accepted, { kind: 'accept', words: WORDS });
  t.match(framing.counters, { sent: 2, accepted: 1, clearing: 1 });
});

t.test('reads of data are checked like reads of registers', async (t) => {
  checkRead(READ);
  checkRead({ ...READ, unit: 999_999_999_998 });
  for (const bad of [
    { ...READ, unit: 999_999_999_999 },
    { ...READ, unit: -1 },
    { ...READ, unit: 0.5 },
    { ...READ, fc: 4 as const },
    { ...READ, at: 1 },
    { ...READ, count: 3 },
    { ...READ, data: { identifier: '0202010', bytes: 3 } },
    { ...READ, data: { identifier: 'FF020100', bytes: 3 } },
    { unit: 1, ...dataRead({ identifier: '02020100', bytes: 9 }) },
    { unit: 1, ...dataRead({ identifier: '02020100', bytes: 0 }) },
  ]) {
    t.throws(() => checkRead(bad), { code: 'bad-argument' });
  }
  t.equal(describeRead(READ), 'data 02020100 of meter 000000000161');
  t.not(shapeOf(READ), shapeOf({ unit: 161, ...dataRead({ identifier: '02020200', bytes: 3 }) }));
});
