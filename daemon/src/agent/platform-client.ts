import type {
  AuthenticationAnswer,
  AuthenticationRequest,
  ChallengeAnswer,
  ConfirmAnswer,
  ConfirmRequest,
  EnrolmentAnswer,
  EnrolmentRequest,
  EventBody,
  ReadingFrame,
  ReadingResult,
  ReadingsAnswer,
  SessionAnswer,
  SessionRequest,
} from '@meterseal/protocol';
import {
  AUTHENTICATION_REASONS,
  concat,
  encodeSubmission,
  MetersealError,
  READING_RESULTS,
} from '@meterseal/protocol';
import type { HttpClient } from '../host/http-client.js';
import { requireShape } from '../host/json-shape.js';

const SUBMISSION_TIMEOUT_MS = 60_000;

/** Interface 1, as the field speaks it. What is refused comes as a `RefusedRequest` with the platform's code. */
export class PlatformClient {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  async enrol(json: EnrolmentRequest): Promise<EnrolmentAnswer> {
    const answer = await this.#post('/v1/enrolments', json);
    const shape = {
      publicKey: 'text',
      subject: 'count',
      salt: 'text',
      nonce: 'text',
      offer: 'text?',
    } as const;
    return requireShape<EnrolmentAnswer>(answer, shape, 'enrolment');
  }

  async confirm(json: ConfirmRequest): Promise<ConfirmAnswer> {
    const answer = await this.#post('/v1/enrolments/confirm', json);
    return requireShape<ConfirmAnswer>(answer, { index: 'count', firstSeq: 'count' }, 'confirmation');
  }

  async challenge(meter: string): Promise<ChallengeAnswer> {
    const answer = await this.#post('/v1/challenges', { meter });
    return requireShape<ChallengeAnswer>(answer, { challenge: 'text', origin: 'text' }, 'challenge');
  }

  async authenticate(json: AuthenticationRequest): Promise<AuthenticationAnswer> {
    const shape = { result: 'text', reason: 'text', index: 'count?' } as const;
    const answer = requireShape<AuthenticationAnswer>(
      await this.#post('/v1/authentications', json),
      shape,
      'authentication',
    );
    if (Object.hasOwn(AUTHENTICATION_REASONS, answer.reason)) return answer;
    throw new MetersealError('bad-message', "couldn't read authentication: an unknown reason");
  }

  async openSession(json: SessionRequest): Promise<SessionAnswer> {
    const answer = (await this.#post('/v1/sessions', json)) as SessionAnswer;
    const shape = { session: 'count', expiresMs: 'count', index: 'count' } as const;
    requireShape<Omit<SessionAnswer, 'last'>>(answer, shape, 'session');
    if (answer.last !== null) requireShape(answer.last, { seq: 'count', hash: 'text' }, 'session');
    return answer;
  }

  /** One result per frame, in order; each accepted reading is committed when this returns. */
  async submit(frames: readonly ReadingFrame[]): Promise<ReadingsAnswer> {
    const answer = await this.#http.json<ReadingsAnswer>({
      method: 'POST',
      path: '/v1/readings',
      bytes: encodeSubmission(frames),
      timeoutMs: SUBMISSION_TIMEOUT_MS,
    });
    const { results } = requireShape<Pick<ReadingsAnswer, 'checkpoint'>>(
      answer,
      { checkpoint: 'text' },
      'receipt',
    ) as ReadingsAnswer;
    if (Array.isArray(results) && results.length === frames.length && results.every(isReadingResult)) {
      return answer;
    }
    throw new MetersealError('bad-message', "couldn't read receipt: not one result per frame");
  }

  /** @param signed acknowledgements with their signatures */
  async acknowledge(signed: readonly Uint8Array[]): Promise<void> {
    await this.#http.send({ method: 'POST', path: '/v1/acknowledgements', bytes: concat(...signed) });
  }

  async event(json: EventBody): Promise<void> {
    await this.#post('/v1/events', json);
  }

  /** Shows the platform the last checkpoint that this field holds: a platform that is behind it must stop. */
  async presentReceipt(note: string): Promise<void> {
    await this.#http.send({ method: 'POST', path: '/v1/receipts', text: note });
  }

  #post(path: string, json: unknown): Promise<unknown> {
    return this.#http.json({ method: 'POST', path, json });
  }
}

function isReadingResult(result: ReadingResult | null): boolean {
  const { code, index } = result ?? {};
  const isGood = code === 'accepted' || code === 'duplicate';
  return READING_RESULTS.some((known) => known === code) && (!isGood || Number.isSafeInteger(index));
}
