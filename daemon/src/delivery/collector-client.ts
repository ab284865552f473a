import type { Acknowledgement, CollectorState, Opening, RecordsAnswer, Signed } from '@meterseal/protocol';
import { decodeSigned, fromBase64, MetersealError, readAcknowledgement } from '@meterseal/protocol';
import type { HttpClient } from '../host/http-client.js';

/** Interface 2, as the field speaks it. */
export class CollectorClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  async open(openings: readonly Opening[]): Promise<void> {
    await this.#http.send({ method: 'POST', path: '/v1/openings', json: openings });
  }

  state(meter: string): Promise<CollectorState> {
    return this.#http.json({ method: 'GET', path: `/v1/state?meter=${encodeURIComponent(meter)}` });
  }

  /** @param body delivery groups as `encodeDeliveryGroup` writes them */
  async deliver(body: Uint8Array): Promise<Signed<Acknowledgement>[]> {
    return this.#acknowledged('/v1/records', body);
  }

  /** @param body signed gap statements */
  async stateGaps(body: Uint8Array): Promise<Signed<Acknowledgement>[]> {
    return this.#acknowledged('/v1/gaps', body);
  }

  async #acknowledged(path: string, bytes: Uint8Array): Promise<Signed<Acknowledgement>[]> {
    const answer = await this.#http.json<RecordsAnswer>({ method: 'POST', path, bytes, timeoutMs: 60_000 });
    if (!Array.isArray(answer.acknowledgements)) {
      throw new MetersealError('bad-message', "couldn't read acknowledgements: the answer has none");
    }
    return answer.acknowledgements.map((text) =>
      decodeSigned(fromBase64(text, 'bad-message'), readAcknowledgement),
    );
  }
}
