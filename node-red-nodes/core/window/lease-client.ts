import type { LeaseAction, LeaseAnswer, LeasePurpose, Signer } from '@meterseal/protocol';
import {
  decodeLeaseAnswer,
  encodeLeaseRequest,
  equalBytes,
  MetersealError,
  signMessage,
} from '@meterseal/protocol';
import type { GateLink } from './gate-link.js';
import type { LeaseCounter } from './lease-counter.js';

export type LeaseTools = {
  readonly gate: GateLink;
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
  /** Where the comparison is served while connected. */
  readonly port: number;
  /** Milliseconds until the switch isolates by itself. */
  readonly granted: number;
};

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

/** What comes of a release: this lease connects nothing any more, the switch is at fault, or nobody can say. */
export type Release = 'released' | 'fault' | 'unknown';

/** Asks the gate to isolate. */
export async function releaseLease(
  tools: LeaseTools,
  wish: LeaseWish,
  signal: AbortSignal,
): Promise<Release> {
  const answer = await ask(tools, wish, 'release', signal);
  if (!equalBytes(answer.lease, wish.lease)) return 'unknown';
  return answer.result === 'fault' ? 'fault' : 'released';
}

/** One request on one connection. The gate answers a request that is not good by closing without a byte. */
async function ask(
  tools: LeaseTools,
  wish: LeaseWish,
  action: LeaseAction,
  signal: AbortSignal,
): Promise<LeaseAnswer> {
  const { gate, signer, platformId } = tools;
  const counter = await tools.counter.next();
  const request = { ...wish, platformId, collectorKey: signer.publicKey, counter, action };
  const message = signMessage(signer, encodeLeaseRequest(request));
  const bytes = await gate.ask(message, signal);
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
