import { connect } from 'node:net';

/** What a connect to a port shows: somebody accepts, it is refused, or nothing answers. */
export type PortSays = 'accepted' | 'refused' | 'no-answer';

/** Asks a port, as a stranger would. Nothing is sent. */
export type PortWitness = (host: string, port: number) => Promise<PortSays>;

/** Milliseconds after which a port that says nothing counts as cut off. */
const PATIENCE_MS = 1_000;

export const tcpPortWitness: PortWitness = (host, port) =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (says: PortSays): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(says);
    };
    const timer = setTimeout(() => settle('no-answer'), PATIENCE_MS);
    socket.once('connect', () => settle('accepted'));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      settle(error.code === 'ECONNREFUSED' ? 'refused' : 'no-answer'),
    );
  });
