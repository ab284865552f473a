import { concat } from '@meterseal/protocol';
import { encodeTcpRequest, recogniseTcp, TcpWire } from 'meterseal/internal/modbus/tcp-wire';
import t from 'tap';

const READ = { unit: 1, fc: 3, at: 0xfc00, count: 2 } as const;
const PDU = [3, 4, 0, 1, 0, 2];

function frame(transaction: number, unit = 1, pdu: readonly number[] = PDU, protocol = 0): Uint8Array {
  const length = pdu.length + 1;
  return Uint8Array.of(transaction >> 8, transaction & 0xff, 0, protocol, 0, length, unit, ...pdu);
}

t.test('a request has transaction number, length, unit and the function', async (t) => {
  t.same([...encodeTcpRequest(READ, 0x0203)], [2, 3, 0, 0, 0, 6, 1, 3, 0xfc, 0, 0, 2]);
});

t.test('exactly the answer to the outstanding request is recognised', async (t) => {
  const table: [string, number, number[], string][] = [
    ['the answer', 1, PDU, 'words'],
    ['another unit', 2, PDU, 'unit 2'],
    ['another function code', 1, [4, ...PDU.slice(1)], 'function code 4'],
    ['another byte count', 1, [3, 2, 0, 1], 'byte count 2'],
    ['fewer bytes than counted', 1, [3, 4, 0, 1], '2 data bytes'],
    ['more bytes than counted', 1, [...PDU, 0, 3], '6 data bytes'],
    ['an exception', 1, [0x83, 2], 'exception'],
    ['an exception with a tail', 1, [0x83, 2, 0], 'malformed'],
  ];
  for (const [what, unit, pdu, expected] of table) {
    const recognition = recogniseTcp(READ, unit, Uint8Array.from(pdu));
    t.match('reason' in recognition ? recognition.reason : recognition.kind, expected, what);
  }
});

t.test('an answer may come in any pieces, and a stale one before it is passed over', async (t) => {
  const stale = frame(1);
  const due = frame(2, 1, [3, 4, 0, 9, 0, 9]);
  const bytes = concat(stale, due);
  for (let cut = 1; cut < bytes.length; cut++) {
    const wire = new TcpWire();
    wire.request(READ);
    wire.giveUp();
    wire.request(READ);
    t.equal(wire.receive(bytes.slice(0, cut)).kind, 'incomplete');
    t.same(wire.receive(bytes.slice(cut)), { kind: 'words', words: Uint16Array.of(9, 9) });
  }
});

t.test('an answer that comes twice is taken once', async (t) => {
  const wire = new TcpWire();
  wire.request(READ);
  t.equal(wire.receive(concat(frame(1), frame(1))).kind, 'words');
  wire.request(READ);
  t.equal(wire.receive(new Uint8Array(0)).kind, 'incomplete');
  t.equal(wire.receive(frame(2)).kind, 'words');
});

t.test('bytes that are no frame break the connection', async (t) => {
  for (const bytes of [
    frame(1, 1, PDU, 1),
    Uint8Array.of(0, 1, 0, 0, 0, 2, 1, 3),
    Uint8Array.of(0, 1, 0, 0, 1, 0, 1, 3),
  ]) {
    const wire = new TcpWire();
    wire.request(READ);
    t.equal(wire.receive(bytes).kind, 'broken');
  }
});

t.test('giving up in the middle of a frame breaks the connection', async (t) => {
  const wire = new TcpWire();
  wire.request(READ);
  t.equal(wire.giveUp(), false);
  wire.request(READ);
  wire.receive(frame(2).slice(0, 9));
  t.equal(wire.giveUp(), true);
});

t.test('transaction numbers go on over a connection, and over their end', async (t) => {
  const wire = new TcpWire();
  const numbers = new Set<number>();
  for (let i = 0; i < 0x1_0001; i++) {
    const bytes = wire.request(READ);
    if (i % 1_000 === 0) wire.reset();
    numbers.add(bytes[0]! * 256 + bytes[1]!);
  }
  t.equal(numbers.size, 0xffff);
  t.notOk(numbers.has(0));
});
