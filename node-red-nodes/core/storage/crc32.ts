import * as zlib from 'node:zlib';

// Node 20.0 to 20.14 lacks the built-in function.
const builtIn = typeof zlib.crc32 === 'function' ? zlib.crc32 : null;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** CRC-32 of IEEE 802.3, as zip and PNG use it. */
export function crc32(bytes: Uint8Array): number {
  return builtIn === null ? crc32ByTable(bytes) : builtIn(bytes);
}

/** The same without Node's built-in function. */
export function crc32ByTable(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffff_ffff) >>> 0;
}
