import { withCrc } from 'meterseal/internal/modbus/crc';
import { encodeRtuRequest, RtuWire, recogniseRtu } from 'meterseal/internal/modbus/rtu-wire';
import t from 'tap';

const READ = { unit: 17, fc: 4, at: 0x0102, count: 2 } as const;
const ANSWER = withCrc(Uint8Array.of(17, 4, 4, 0x12, 0x34, 0xab, 0xcd));

t.test('a request has unit, function code, address and count', async (t) => {
  const [...bytes] = encodeRtuRequest(READ);
  t.same(bytes.slice(0, 6), [17, 4, 1, 2, 0, 2]);
  t.equal(bytes.length, 8);
});

t.test('exactly the answer to the outstanding request is recognised', async (t) => {
  const table: [string, Uint8Array | number[], string][] = [
    ['the answer', ANSWER, 'words'],
    ['its beginning', ANSWER.slice(0, 8), 'incomplete'],
    ['nothing', [], 'incomplete'],
    ['another unit', withCrc(Uint8Array.of(18, 4, 4, 0x12, 0x34, 0xab, 0xcd)), 'unit 18'],
    ['only the first byte of another unit', [18], 'unit 18'],
    ['another function code', withCrc(Uint8Array.of(17, 3, 4, 0x12, 0x34, 0xab, 0xcd)), 'function code 3'],
    ['a shorter answer', withCrc(Uint8Array.of(17, 4, 2, 0x12, 0x34)), 'byte count 2'],
    ['a longer answer', withCrc(Uint8Array.of(17, 4, 6, 1, 2, 3, 4, 5, 6)), 'byte count 6'],
    ['an echo of the request', encodeRtuRequest(READ), 'byte count 1'],
    ['a wrong checksum', ANSWER.map((byte, i) => (i === 4 ? byte ^ 1 : byte)), 'checksum'],
    ['a swapped checksum', [...ANSWER.slice(0, 7), ANSWER[8]!, ANSWER[7]!], 'checksum'],
    ['the answer twice', [...ANSWER, ...ANSWER], '9 bytes too many'],
    ['a byte behind the answer', [...ANSWER, 0], '1 bytes too many'],
    ['a byte before the answer', [0, ...ANSWER], 'unit 0'],
    ['an exception', withCrc(Uint8Array.of(17, 0x84, 2)), 'exception'],
    ['an exception of another function', withCrc(Uint8Array.of(17, 0x83, 2)), 'function code 131'],
    ['a damaged exception', [17, 0x84, 2, 0, 0], 'checksum'],
  ];
  for (const [what, bytes, expected] of table) {
    const recognition = recogniseRtu(READ, Uint8Array.from(bytes));
    t.match('reason' in recognition ? recognition.reason : recognition.kind, expected, what);
  }
  t.same(recogniseRtu(READ, ANSWER), { kind: 'words', words: Uint16Array.of(0x1234, 0xabcd) });
  t.same(recogniseRtu(READ, withCrc(Uint8Array.of(17, 0x84, 11))), { kind: 'exception', exception: 11 });
});

t.test('no single changed bit passes', async (t) => {
  for (let bit = 0; bit < 8 * ANSWER.length; bit++) {
    const changed = ANSWER.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    t.not(recogniseRtu(READ, changed).kind, 'words', `bit ${bit}`);
  }
});

t.test('an answer may come in any pieces', async (t) => {
  for (let cut = 1; cut < ANSWER.length; cut++) {
    const wire = new RtuWire();
    wire.request(READ);
    t.equal(wire.receive(ANSWER.slice(0, cut)).kind, 'incomplete');
    t.ok(wire.heard);
    t.equal(wire.receive(ANSWER.slice(cut)).kind, 'words');
    t.notOk(wire.heard);
  }
});

t.test('bytes that nobody asked for are said to be unsolicited', async (t) => {
  const wire = new RtuWire();
  t.match(wire.receive(ANSWER), { kind: 'invalid', reason: 'unsolicited' });
  wire.request(READ);
  wire.giveUp();
  t.match(wire.receive(ANSWER), { kind: 'invalid', reason: 'unsolicited' });
});
