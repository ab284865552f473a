import type { Acknowledgement, CollectorState, Opening, RecordsAnswer, Signed } from '@meterseal/protocol';
import { decodeSigned, fromBase64, MetersealError, readAcknowledgement } from '@meterseal/protocol';
import type { HttpClient } from '../host/http-client.js';
import { requireShape } from '../host/json-shape.js';

const DELIVERY_TIMEOUT_MS = 60_000;

/** Interface 2, as the field speaks it. What is refused comes as a `RefusedRequest` with the collector's code. */
export class CollectorClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  async open(openings: readonly Opening[]): Promise<void> {
    await this.#http.send({ method: 'POST', path: '/v1/openings', json: openings });
  }

  /** What the collector says it holds of a meter. It is not trusted: see reconciliation.ts. */
  async state(meter: string): Promise<CollectorState> {
    const path = `/v1/state?meter=${encodeURIComponent(meter)}`;
    const answer = await this.#http.json({ method: 'GET', path });
    const shape = { first: 'count', seq: 'count', runningHash: 'text', statement: 'text?' } as const;
    const state = requireShape<CollectorState>(answer, shape, 'state of collector');
    if (state.first >= 1 && state.seq >= state.first - 1) return state;
    throw new MetersealError('bad-message', "couldn't read state of collector: an impossible height");
  }

  /** @param body delivery groups as `encodeDeliveryGroup` writes them */
  deliver(body: Uint8Array): Promise<Signed<Acknowledgement>[]> {
    return this.#acknowledged('/v1/records', body);
  }

  /** @param body signed gap statements */
  stateGaps(body: Uint8Array): Promise<Signed<Acknowledgement>[]> {
    return this.#acknowledged('/v1/gaps', body);
  }

  async #acknowledged(path: string, bytes: Uint8Array): Promise<Signed<Acknowledgement>[]> {
    const request = { method: 'POST', path, bytes, timeoutMs: DELIVERY_TIMEOUT_MS } as const;
    const answer = await this.#http.json<Partial<RecordsAnswer> | null>(request);
    const list = answer?.acknowledgements;
    if (!Array.isArray(list)) {
      throw new MetersealError('bad-message', "couldn't read acknowledgements: the answer has none");
    }
    return list.map((text) => decodeSigned(fromBase64(text, 'bad-message'), readAcknowledgement));
  }
}
