import { connect } from 'node:net';
import type { Clock } from '../../host/clock.js';
import { deadline } from '../deadline.js';

/** Milliseconds after which a connect says nothing. */
const PROBE_MS = 1_000;

/** What a connect to the port gives: somebody accepts, nobody does, or neither can be said. */
export type ProbeResult = 'accepted' | 'refused' | 'unknown';

/** Connects to a port of this machine as a stranger would, and hangs up. */
export function probeListener(port: number, address: string, clock: Clock): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: reachable(address) });
    const disarm = deadline(clock, PROBE_MS, () => settle('unknown'));
    const settle = (result: ProbeResult): void => {
      disarm();
      socket.destroy();
      resolve(result);
    };
    socket.once('connect', () => {
      // A connect to a free port of the range that the system chooses from can meet itself.
      settle(
        socket.localPort === port && socket.localAddress === socket.remoteAddress ? 'refused' : 'accepted',
      );
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      settle(error.code === 'ECONNREFUSED' ? 'refused' : 'unknown');
    });
  });
}

function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return address === '::' ? '::1' : address;
}
