import type { LeaseRequest, Verifier } from '@meterseal/protocol';
import {
  decodeSigned,
  equalBytes,
  isMetersealError,
  isSignedBy,
  LEASE_REQUEST_TAIL_BYTES,
  leaseRequestHead,
  MAX_LEASE_BYTES,
  MetersealError,
  readLeaseRequest,
  toHex,
} from '@meterseal/protocol';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/**
 * Who may move the switch: signed requests of the configured collectors, each with a higher counter than that
 * key's last. Which counters were used before a restart only the chain knows; it is asked for every `connect`.
 */
export class LeaseGuard {
  /** Every request to this platform has this many bytes. */
  readonly requestBytes: number;
  readonly #platformId: string;
  readonly #verifier: Verifier;
  /** Preamble and platform ID, as all requests to this platform begin. */
  readonly #start: Uint8Array;
  readonly #lastCounters: Map<string, number>;

  /** @throws MetersealError `bad-argument` if the platform ID is too long for a request */
  constructor(platformId: string, collectorKeys: readonly Uint8Array[], verifier: Verifier) {
    this.#platformId = platformId;
    this.#verifier = verifier;
    this.#lastCounters = new Map(collectorKeys.map((key) => [toHex(key), 0]));
    this.#start = leaseRequestHead(platformId);
    this.requestBytes = this.#start.length + LEASE_REQUEST_TAIL_BYTES + SIGNATURE_BYTES;
    if (this.requestBytes > MAX_LEASE_BYTES) {
      throw new MetersealError(
        'bad-argument',
        `couldn't take leases: requests of ${this.requestBytes} bytes`,
      );
    }
  }

  /** False as soon as the first bytes of a request show that it cannot be one for this platform. */
  mayBecomeRequest(received: Uint8Array): boolean {
    if (received.length > this.requestBytes) return false;
    const shared = Math.min(received.length, this.#start.length);
    return equalBytes(received.subarray(0, shared), this.#start.subarray(0, shared));
  }

  /**
   * The request, if everything about it is in order; its counter is then used up. Nothing expensive is computed
   * for a key that is not configured.
   *
   * @param bytes a whole request with its signature, from anybody
   */
  admit(bytes: Uint8Array): LeaseRequest | null {
    if (bytes.length !== this.requestBytes || !this.mayBecomeRequest(bytes)) return null;
    const key = bytes.slice(this.#start.length, this.#start.length + KEY_BYTES);
    const last = this.#lastCounters.get(toHex(key));
    if (last === undefined) return null;
    try {
      const signed = decodeSigned(bytes, readLeaseRequest);
      const request = signed.value;
      if (request.platformId !== this.#platformId || request.counter <= last) return null;
      if (!isSignedBy(this.#verifier, key, signed)) return null;
      this.#lastCounters.set(toHex(key), request.counter);
      return request;
    } catch (error) {
      if (isMetersealError(error, 'bad-message')) return null;
      throw error;
    }
  }
}
