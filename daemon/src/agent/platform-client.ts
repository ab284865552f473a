import type {
  AuthenticationAnswer,
  AuthenticationRequest,
  ChainStatus,
  ChallengeAnswer,
  ConfirmAnswer,
  ConfirmRequest,
  EnrolmentAnswer,
  EnrolmentRequest,
  EventBody,
  IndexAnswer,
  ReadingFrame,
  ReadingResult,
  ReadingsAnswer,
  SessionAnswer,
  SessionRequest,
} from '@meterseal/protocol';
import { concat, encodeSubmission, MetersealError, READING_RESULTS } from '@meterseal/protocol';
import type { HttpClient } from '../host/http-client.js';

/** Interface 1, as the field speaks it. What is refused comes as a MetersealError with the platform's code. */
export class PlatformClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  enrol(json: EnrolmentRequest): Promise<EnrolmentAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/enrolments', json });
  }

  confirm(json: ConfirmRequest): Promise<ConfirmAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/enrolments/confirm', json });
  }

  challenge(meter: string): Promise<ChallengeAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/challenges', json: { meter } });
  }

  authenticate(json: AuthenticationRequest): Promise<AuthenticationAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/authentications', json });
  }

  openSession(json: SessionRequest): Promise<SessionAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/sessions', json });
  }

  /** One result per frame, in order; each accepted reading is committed when this returns. */
  async submit(
    frames: readonly ReadingFrame[],
  ): Promise<{ checkpoint: string; results: readonly ReadingResult[] }> {
    const answer = await this.#http.json<ReadingsAnswer>({
      method: 'POST',
      path: '/v1/readings',
      bytes: encodeSubmission(frames),
      timeoutMs: 60_000,
    });
    const { results, checkpoint } = answer;
    const sound =
      Array.isArray(results) &&
      results.length === frames.length &&
      typeof checkpoint === 'string' &&
      results.every(isReadingResult);
    if (!sound) throw new MetersealError('bad-message', "couldn't read receipt: not one result per frame");
    return answer;
  }

  /** @param signed acknowledgements with their signatures */
  acknowledge(signed: readonly Uint8Array[]): Promise<IndexAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/acknowledgements', bytes: concat(...signed) });
  }

  event(json: EventBody): Promise<IndexAnswer> {
    return this.#http.json({ method: 'POST', path: '/v1/events', json });
  }

  /** Shows the platform the last checkpoint that this field holds: a platform that is behind it must stop. */
  async presentReceipt(note: string): Promise<void> {
    await this.#http.send({ method: 'POST', path: '/v1/receipts', text: note });
  }

  status(): Promise<ChainStatus> {
    return this.#http.json({ method: 'GET', path: '/v1/status' });
  }
}

function isReadingResult(result: ReadingResult): boolean {
  const indexed = result.code === 'accepted' || result.code === 'duplicate';
  return READING_RESULTS.includes(result.code) && (!indexed || Number.isSafeInteger(result.index));
}
