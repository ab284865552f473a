/*
 * Somebody on the collector's side who does not take isolation for an answer: `node wire-hammer.js HOST PORT`. Connects again
 * and again, goes on writing requests on every connection that it ever got, and says as JSON lines what came of it. Ends with
 * its standard input.
 */
import type { Socket } from 'node:net';
import { connect } from 'node:net';

const [, , host, port] = process.argv;
const MOST_SOCKETS = 3;
const TRY_MS = 20;
/** A connect that takes longer would go through by itself once the line is there. */
const CONNECT_MS = 100;
const REQUEST = 'GET /checkpoint HTTP/1.1\r\nhost: smuggled\r\n\r\n';

const open = new Set<Socket>();
const say = (event: string, more: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, time: Date.now(), ...more })}\n`);
};

setInterval(() => {
  for (const socket of open) socket.write(REQUEST);
  if (open.size < MOST_SOCKETS) attempt();
}, TRY_MS);
process.stdin.on('end', () => process.exit(0)).resume();

function attempt(): void {
  const socket = connect({ host: host!, port: Number(port) });
  const late = setTimeout(() => socket.destroy(), CONNECT_MS);
  open.add(socket);
  socket.on('connect', () => {
    clearTimeout(late);
    say('connect');
  });
  socket.on('data', (bytes) => say('data', { bytes: bytes.length }));
  socket.on('error', () => {});
  socket.on('close', () => {
    clearTimeout(late);
    open.delete(socket);
    say('close');
  });
}
