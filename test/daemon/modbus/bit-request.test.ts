import type { BitRequest } from 'meterseal/internal/modbus/bit-request';
import {
  COIL_OFF,
  COIL_ON,
  encodeRtuBitRequest,
  encodeTcpBitRequest,
  recogniseRtuBits,
  recogniseTcpBits,
} from 'meterseal/internal/modbus/bit-request';
import t from 'tap';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hex = (of: Uint8Array): string => Buffer.from(of).toString('hex');
const write = (unit: number, at: number, value: number): BitRequest => ({ kind: 'write', unit, at, value });
const read = (unit: number, fc: 1 | 2, at: number, count: number): BitRequest => ({
  ...{ kind: 'read', unit, fc, at, count },
});

t.test('requests are the bytes that makers of boards print', async (t) => {
  for (const [request, frame] of [
    [write(255, 0, COIL_ON), 'FF 05 00 00 FF 00 99 E4'],
    [write(255, 0, COIL_OFF), 'FF 05 00 00 00 00 D8 14'],
    [write(1, 0x0200, 7), '01 05 02 00 00 07 8D B0'],
    [read(255, 2, 0, 8), 'FF 02 00 00 00 08 6C 12'],
    [read(1, 1, 0, 8), '01 01 00 00 00 08 3D CC'],
  ] as const) {
    t.equal(hex(encodeRtuBitRequest(request)), hex(bytes(frame)), frame);
  }
  t.equal(hex(encodeTcpBitRequest(write(1, 0x0200, 7), 0x0102)), '010200000006010502000007');
});

t.test('their answers are recognised, byte by byte', async (t) => {
  for (const [request, frame, answer] of [
    [write(255, 0, COIL_ON), 'FF 05 00 00 FF 00 99 E4', { kind: 'written' }],
    [
      read(255, 2, 0, 8),
      'FF 02 01 01 51 A0',
      { kind: 'bits', bits: [true, false, false, false, false, false, false, false] },
    ],
    [read(1, 1, 0, 2), '01 01 01 02 D0 49', { kind: 'bits', bits: [false, true] }],
    [write(1, 9, COIL_ON), '01 85 02 C3 51', { kind: 'exception', exception: 2 }],
  ] as const) {
    const received = bytes(frame);
    for (let length = 0; length < received.length; length++) {
      t.match(recogniseRtuBits(request, received.subarray(0, length)), { kind: 'incomplete' });
    }
    t.strictSame(recogniseRtuBits(request, received), answer, frame);
    t.match(recogniseRtuBits(request, new Uint8Array([...received, 0])), { kind: 'invalid' }, 'and one more');
    for (let i = 0; i < received.length; i++) {
      const changed = received.slice();
      changed[i]! ^= 0x10;
      t.not(recogniseRtuBits(request, changed).kind, answer.kind, `${frame}: byte ${i} changed`);
    }
  }
});

t.test('an answer to anything else is none', async (t) => {
  const off = write(1, 0, COIL_OFF);
  for (const [what, frame] of [
    ['another unit', hex(encodeRtuBitRequest(write(2, 0, COIL_OFF)))],
    ['another coil', hex(encodeRtuBitRequest(write(1, 1, COIL_OFF)))],
    ['the opposite', hex(encodeRtuBitRequest(write(1, 0, COIL_ON)))],
    ['a reading', '010101009188'],
    ["another function's exception", '01810200'],
  ] as const) {
    t.match(recogniseRtuBits(off, bytes(frame)), { kind: 'invalid' }, what);
  }
  t.match(recogniseRtuBits(read(1, 1, 0, 8), bytes('010102')), { kind: 'invalid' }, 'another count');
});

t.test('over TCP the transaction has to be the same', async (t) => {
  const request = read(1, 2, 0, 8);
  const frame = bytes('0005 0000 0004 01 02 01 81');
  for (let length = 0; length < frame.length; length++) {
    t.match(recogniseTcpBits(request, 5, frame.subarray(0, length)), { kind: 'incomplete' });
  }
  t.match(recogniseTcpBits(request, 5, frame), { kind: 'bits', bits: [true, false] });
  t.match(recogniseTcpBits(request, 6, frame), { kind: 'invalid' });
  t.match(recogniseTcpBits(request, 5, bytes('0005 0000 0005 01 02 01 81')), { kind: 'invalid' });
  t.match(recogniseTcpBits(request, 5, bytes('0005 0001 0004 01 02 01 81')), { kind: 'invalid' });
  t.match(recogniseTcpBits(request, 5, bytes('0005 0000 0004 01 02 01 81 00')), { kind: 'invalid' });
  t.match(recogniseTcpBits(request, 5, bytes('0005 0000 0003 01 82 02')), {
    kind: 'exception',
    exception: 2,
  });
});
