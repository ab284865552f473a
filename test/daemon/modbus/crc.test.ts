import { crc16, withCrc } from 'meterseal/internal/modbus/crc';
import t from 'tap';

t.test('the checksum agrees with the check value of CRC-16/MODBUS', async (t) => {
  t.equal(crc16(new TextEncoder().encode('123456789')), 0x4b37);
  t.equal(crc16(new Uint8Array(0)), 0xffff);
});

t.test('the low byte of the checksum comes first', async (t) => {
  t.same([...withCrc(Uint8Array.of(1, 3, 0, 0, 0, 10))], [1, 3, 0, 0, 0, 10, 0xc5, 0xcd]);
});

t.test('a frame with its checksum has the checksum zero', async (t) => {
  t.equal(crc16(withCrc(Uint8Array.of(17, 4, 2, 0xab, 0xcd))), 0);
});
