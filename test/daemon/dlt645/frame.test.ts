import type { DltRequest } from 'meterseal/internal/dlt645/frame';
import { DltReceiver, encodeRequest, isAddress } from 'meterseal/internal/dlt645/frame';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';
import { frameOf } from './frame-of.js';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex');

const ENERGY = '68 61 01 00 00 00 00 68 91 08 33 33 34 33 59 33 33 33 8A 16';
const VOLTAGE = '68 61 01 00 00 00 00 68 91 06 33 34 34 35 34 43 10 16';

t.test('requests are those of published exchanges, byte by byte', async (t) => {
  const address = '000000000161';
  const table: [DltRequest, string][] = [
    [{ kind: 'read-address' }, '68 AA AA AA AA AA AA 68 13 00 DF 16'],
    [{ kind: 'read', address, identifier: '00010000' }, '68 61 01 00 00 00 00 68 11 04 33 33 34 33 14 16'],
    [{ kind: 'read', address, identifier: '02010100' }, '68 61 01 00 00 00 00 68 11 04 33 34 34 35 17 16'],
    [{ kind: 'read', address, identifier: '02020100' }, '68 61 01 00 00 00 00 68 11 04 33 34 35 35 18 16'],
  ];
  for (const [request, expected] of table)
    t.same(hex(encodeRequest(request)), hex(bytes(`FEFEFEFE${expected}`)));
});

t.test('a read of the next part carries its place in the row', async (t) => {
  const request = {
    kind: 'read-next',
    address: '000000000161',
    identifier: '0001ff00',
    sequence: 2,
  } as const;
  const body = encodeRequest(request).slice(4);
  t.same([...body.slice(8, 15)], [0x12, 5, 0x33, 0x32, 0x34, 0x33, 0x35]);
});

t.test('answers are those of published exchanges', async (t) => {
  const [energy] = new DltReceiver().push(bytes(ENERGY));
  t.same(energy, { address: '000000000161', control: 0x91, data: bytes('00 00 01 00 26 00 00 00') });
  const [voltage] = new DltReceiver().push(bytes(VOLTAGE));
  t.same(voltage, { address: '000000000161', control: 0x91, data: bytes('00 01 01 02 01 10') });
});

t.test('a wrong sum is refused, and what it should have been is not', async (t) => {
  for (const [body, wrong, right] of [
    ['68 75 67 12 66 88 00 68 11 04 33 33 34 33', 'C6', '8E'],
    ['68 75 67 12 66 88 00 68 91 08 33 33 34 33 A4 56 79 38', 'F5', 'BD'],
  ] as const) {
    t.same(new DltReceiver().push(bytes(`${body} ${wrong} 16`)), []);
    t.equal(new DltReceiver().push(bytes(`${body} ${right} 16`)).length, 1);
  }
});

t.test('a preamble of any length is in no sum', async (t) => {
  for (let n = 0; n <= 8; n++) t.equal(new DltReceiver().push(bytes('FE'.repeat(n) + ENERGY)).length, 1);
});

t.test('a frame is found byte by byte, and kept until it is whole', async (t) => {
  const receiver = new DltReceiver();
  const all = bytes(`FE FE ${ENERGY}`);
  for (const byte of all.slice(0, -1)) t.same(receiver.push(Uint8Array.of(byte)), []);
  t.equal(receiver.push(all.slice(-1)).length, 1);
  t.equal(receiver.pending, 0);
});

t.test('behind a damaged frame, a torn one, or a stray 68 the next one is found', async (t) => {
  const damaged = bytes(ENERGY).map((byte, i) => (i === 15 ? byte ^ 1 : byte));
  for (const before of [
    damaged,
    bytes(ENERGY).slice(0, 13),
    bytes('68'),
    bytes('68 68 00'),
    bytes('00 FF'),
  ]) {
    const frames = new DltReceiver().push(Uint8Array.of(...before, ...bytes(VOLTAGE)));
    t.same(
      frames.map(({ data }) => hex(data)),
      ['000101020110'],
      hex(before),
    );
  }
});

t.test('68 inside an address begins no frame', async (t) => {
  const frame = frameOf({ address: '006868686868', control: 0x91, data: bytes('00 00 01 00 26 00 00 00') });
  const frames = new DltReceiver().push(frame);
  t.same(
    frames.map(({ address }) => address),
    ['006868686868'],
  );
  const receiver = new DltReceiver();
  t.equal([...frame].flatMap((byte) => receiver.push(Uint8Array.of(byte))).length, 1);
});

t.test('frames of more than 200 bytes of data, or of an address that is no number, are none', async (t) => {
  const data = new Uint8Array(200);
  t.equal(new DltReceiver().push(frameOf({ address: '000000000001', control: 0x91, data })).length, 1);
  const long = frameOf({ address: '000000000001', control: 0x91, data: new Uint8Array(201) });
  t.same(new DltReceiver().push(long), []);
  for (const address of ['aaaaaaaaaaaa', '00000000000a', '999999999999']) {
    t.same(new DltReceiver().push(frameOf({ address, control: 0x91, data })), []);
  }
});

t.test('noise without end is not kept', async (t) => {
  const random = new SeededRandom(645);
  const receiver = new DltReceiver();
  for (let i = 0; i < 500; i++) {
    receiver.push(random.bytes(random.below(60)).map((byte) => (byte < 40 ? 0x68 : byte)));
    if (receiver.pending > 424) t.fail(`${receiver.pending} bytes are kept`);
  }
  receiver.push(new Uint8Array(100_000).fill(0x68));
  t.ok(receiver.pending <= 424);
});

t.test('no request can be built that does anything but read', async (t) => {
  const rest = { address: '000000000161', identifier: '00010000', sequence: 1, data: Uint8Array.of(1) };
  const sent = new Set<number>();
  const kinds: unknown[] = [
    'read',
    'read-next',
    'read-address',
    'write',
    'toString',
    '__proto__',
    undefined,
    null,
  ];
  for (let control = 0; control < 256; control++)
    kinds.push(control, String(control), String.fromCharCode(control));
  for (const kind of kinds) {
    for (let control = 0; control < 256; control++) {
      try {
        sent.add(encodeRequest({ ...rest, control, kind } as unknown as DltRequest)[12]!);
      } catch (error) {
        t.match(error, { code: 'bad-argument' });
      }
      if (kind !== 'read') break;
    }
  }
  t.same([...sent].sort(), [0x11, 0x12, 0x13]);
});

t.test('a request that is not of one meter and one identifier is refused', async (t) => {
  const good = { kind: 'read', address: '000000000161', identifier: '00010000' } as const;
  const refused = [
    { ...good, address: '161' },
    { ...good, address: 'aaaaaaaaaaaa' },
    { ...good, address: '999999999999' },
    { ...good, identifier: '0001000' },
    { ...good, identifier: '0001FF00' },
    { ...good, kind: 'read-next', sequence: 0 },
    { ...good, kind: 'read-next', sequence: 256 },
  ] as const;
  for (const request of refused) t.throws(() => encodeRequest(request), { code: 'bad-argument' });
  t.ok(isAddress('000000000000'));
  t.notOk(isAddress('0000000000000'));
});
