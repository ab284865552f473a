/**
 * Takes a lease and holds it: `node lease-holder.js CONTROL-PORT REQUEST-IN-HEX`. Asks for the checkpoint by way of the
 * comparison port, prints `{"port","granted","answer"}` as one line, and never gives anything back.
 */
import { connect } from 'node:net';
import { decodeLeaseAnswer, fromHex } from '@meterseal/protocol';
import { exchange } from '../daemon/gate/gate-box.js';

const [control, request] = process.argv.slice(2) as [string, string];
const { port, granted } = decodeLeaseAnswer(
  new Uint8Array(await exchange(Number(control), fromHex(request))),
);
const comparison = connect(port, '127.0.0.1');
comparison.on('error', () => {});
comparison.write('GET /checkpoint HTTP/1.1\r\nhost: gate\r\n\r\n');
comparison.once('data', (piece) => {
  const answer = piece.toString().split('\r\n')[0];
  process.stdout.write(`${JSON.stringify({ port, granted, answer })}\n`);
});
setInterval(() => {}, 60_000);
