import { connect } from 'node:net';
import type { LeaseAction, LeaseAnswer, LeasePurpose, Signer } from '@meterseal/protocol';
import {
  decodeLeaseAnswer,
  encodeLeaseRequest,
  equalBytes,
  LEASE_ANSWER_BYTES,
  MetersealError,
  signMessage,
} from '@meterseal/protocol';
import type { LeaseCounter } from './lease-counter.js';

export type ControlPort = { readonly host: string; readonly port: number };

export type LeaseTools = {
  readonly control: ControlPort;
  readonly signer: Signer;
  readonly counter: LeaseCounter;
  readonly platformId: string;
};

export type LeaseWish = {
  readonly lease: Uint8Array;
  readonly purpose: LeasePurpose;
  /** Milliseconds. */
  readonly max: number;
};

export type GrantedLease = {
  /** Where the comparison is served while connected, on the control port's host. */
  readonly port: number;
  /** Milliseconds until the switch isolates by itself. */
  readonly granted: number;
};

/** Milliseconds for one request to the control port: it commits an entry to the chain before it answers. */
const CONTROL_TIMEOUT_MS = 10_000;

/**
 * Asks the gate to connect.
 *
 * @throws MetersealError `link-denied` (refused, busy, or the request was not taken for a good one), `link-fault`,
 *   `unreachable`, `timeout`; `commit-failed`, `disk-full` for the counter
 */
export async function takeLease(
  tools: LeaseTools,
  wish: LeaseWish,
  signal: AbortSignal,
): Promise<GrantedLease> {
  const answer = await ask(tools, wish, 'connect', signal);
  if (!equalBytes(answer.lease, wish.lease)) {
    throw new MetersealError('link-fault', "couldn't take lease: the gate answered for another one");
  }
  switch (answer.result) {
    case 'connected':
      return { port: answer.port, granted: answer.granted };
    case 'fault':
      throw new MetersealError('link-fault', "couldn't take lease: the isolation switch is at fault", {
        hint: "Look at the gate's log: what the switch reads back does not agree with its state.",
      });
    default:
      throw new MetersealError('link-denied', `couldn't take lease: the gate is ${answer.result}`, {
        hint: "Check that the gate knows this collector's key, and that no other comparison is running.",
      });
  }
}

/** Asks the gate to isolate. @returns true if it says that this lease connects nothing any more */
export async function releaseLease(
  tools: LeaseTools,
  wish: LeaseWish,
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await ask(tools, wish, 'release', signal);
  return answer.result !== 'fault' && equalBytes(answer.lease, wish.lease);
}

/** One request on one connection. The gate answers a request that is not good by closing without a byte. */
async function ask(
  tools: LeaseTools,
  wish: LeaseWish,
  action: LeaseAction,
  signal: AbortSignal,
): Promise<LeaseAnswer> {
  const { control, signer, platformId } = tools;
  const counter = await tools.counter.next();
  const request = { ...wish, platformId, collectorKey: signer.publicKey, counter, action };
  const message = signMessage(signer, encodeLeaseRequest(request));
  const bytes = await exchange(control, message, signal);
  if (bytes.length === 0) {
    throw new MetersealError('link-denied', `couldn't ${action} lease: the gate closed without an answer`, {
      hint: "It does not know this collector's key, or has seen a higher lease counter of it.",
    });
  }
  try {
    return decodeLeaseAnswer(bytes);
  } catch (cause) {
    throw new MetersealError('link-fault', `couldn't ${action} lease: the answer is malformed`, { cause });
  }
}

function exchange(
  { host, port }: ControlPort,
  message: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let length = 0;
    const socket = connect({ host, port });
    const timer = setTimeout(() => fail('timeout', 'no answer in time'), CONTROL_TIMEOUT_MS);
    const onAbort = (): void => fail('timeout', 'stopped before the answer');
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    };
    const fail = (code: 'timeout' | 'unreachable', why: string, cause?: unknown): void => {
      settle();
      reject(new MetersealError(code, `couldn't reach control port ${host}:${port}: ${why}`, { cause }));
    };
    const finish = (): void => {
      settle();
      resolve(Buffer.concat(pieces));
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    socket.on('connect', () => socket.write(message));
    socket.on('data', (piece) => {
      pieces.push(piece);
      length += piece.length;
      if (length > LEASE_ANSWER_BYTES) finish();
    });
    socket.on('end', finish);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // A gate that closes a request which it did not read to its end resets the connection.
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') finish();
      else fail('unreachable', error.code ?? 'failed', error);
    });
    socket.on('close', finish);
  });
}
