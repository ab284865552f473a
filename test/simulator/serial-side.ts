import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { frameDlt645, requestAt } from './dlt645-side.js';
import type { MeterRequest } from './meter.js';

/** Requests to read registers have 8 bytes. */
const REQUEST = 8;
/** Bytes that are older than this, and no request yet, never will be one. */
const STALE_MS = 100;

export type Pty = ChildProcessByStdio<Writable, Readable, null>;

/** Starts the helper that holds the pseudo-terminal, and waits for its path. */
export function openPty(): Promise<{ pty: Pty; path: string; rest: Buffer }> {
  const pty = spawn(fileURLToPath(new URL('./pty', import.meta.url)), { stdio: ['pipe', 'pipe', 'inherit'] });
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    pty.once('error', (cause) => {
      reject(
        new Error("couldn't start test/dist/simulator/pty: node test/simulator/build-helpers.mjs makes it", {
          cause,
        }),
      );
    });
    pty.once('exit', () => reject(new Error('the pseudo-terminal is gone')));
    const onData = (bytes: Buffer): void => {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf('\n');
      if (end < 0) return;
      pty.stdout.off('data', onData);
      resolve({ pty, path: head.subarray(0, end).toString(), rest: head.subarray(end + 1) });
    };
    pty.stdout.on('data', onData);
  });
}

/** Serves Modbus RTU and DL/T 645 on a pseudo-terminal. */
export async function serveSerial(
  handle: (request: MeterRequest) => void,
): Promise<{ pty: Pty; path: string }> {
  const { pty, path, rest } = await openPty();
  let received = rest;
  let receivedAt = 0;
  const send = (answer: Uint8Array): void => {
    pty.stdin.write(answer);
  };
  const onData = (bytes: Buffer): void => {
    if (Date.now() - receivedAt > STALE_MS) received = Buffer.alloc(0);
    receivedAt = Date.now();
    received = Buffer.concat([received, bytes]);
    while (received.length >= REQUEST) {
      const data = requestAt(received);
      if (data === 'wait') return;
      if (data !== 'none') {
        received = received.subarray(data.length);
        handle({ ...data, transport: 'serial', frame: frameDlt645, send, reset: () => {} });
        continue;
      }
      const candidate = received.subarray(0, REQUEST);
      if (crc(candidate.subarray(0, 6)) !== candidate.readUInt16LE(6)) {
        received = received.subarray(1);
        continue;
      }
      received = received.subarray(REQUEST);
      handle({
        transport: 'serial',
        unit: candidate[0]!,
        pdu: Uint8Array.from(candidate.subarray(1, 6)),
        frame: frameRtu,
        send,
        // A serial line has no connection that could end.
        reset: () => {},
      });
    }
  };
  pty.stdout.on('data', onData);
  return { pty, path };
}

function frameRtu(unit: number, pdu: Uint8Array): Uint8Array {
  const body = Buffer.from([unit, ...pdu]);
  const sum = crc(body);
  return Buffer.concat([body, Buffer.from([sum & 0xff, sum >> 8])]);
}

/** CRC-16 bit by bit; not the daemon's, so that a mistake in one of them shows. */
function crc(bytes: Uint8Array): number {
  let sum = 0xffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >> 1) ^ (sum & 1 ? 0xa001 : 0);
  }
  return sum;
}
