import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';

/** What the kernel has on one local port. */
export type KernelSockets = { readonly listening: number; readonly live: number };

/** States of include/net/tcp_states.h, as /proc/net/tcp prints them. */
const LISTEN = '0A';
const TIME_WAIT = '06';

/**
 * Counts the sockets of a port in the text of /proc/net/tcp or /proc/net/tcp6. One in TIME_WAIT has nothing left
 * to deliver and does not count; one without an owner that still sends (FIN_WAIT) does.
 *
 * @param address IPv4 address that is looked for; for any other text all addresses count
 */
export function countSockets(table: string, port: number, address: string): KernelSockets {
  const wantedPort = port.toString(16).toUpperCase().padStart(4, '0');
  const wantedAddress = isIPv4(address) && address !== '0.0.0.0' ? kernelForm(address) : null;
  let listening = 0;
  let live = 0;
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    const [localAddress, localPort] = local.split(':');
    if (localPort !== wantedPort || state === TIME_WAIT) continue;
    if (wantedAddress !== null && localAddress !== wantedAddress) continue;
    if (state === LISTEN) listening++;
    else live++;
  }
  return { listening, live };
}

/**
 * Asks the kernel, which also knows of sockets that this process has forgotten.
 *
 * @param address where the port is or was bound
 * @returns null where the kernel's table cannot be read
 */
export async function readKernelSockets(port: number, address: string): Promise<KernelSockets | null> {
  const files = isIPv4(address) ? ['/proc/net/tcp'] : ['/proc/net/tcp', '/proc/net/tcp6'];
  try {
    const tables = await Promise.all(files.map((file) => readFile(file, 'latin1')));
    const counts = tables.map((table) => countSockets(table, port, address));
    return {
      listening: counts.reduce((sum, count) => sum + count.listening, 0),
      live: counts.reduce((sum, count) => sum + count.live, 0),
    };
  } catch {
    return null;
  }
}

/** An IPv4 address as a 32-bit word in the machine's own byte order. */
function kernelForm(address: string): string {
  const bytes = address.split('.').map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'));
  return (endianness() === 'LE' ? bytes.reverse() : bytes).join('');
}
