import type {
  AuthenticationAnswer,
  AuthenticationRequest,
  ChallengeAnswer,
  ChallengeRequest,
  ConfirmAnswer,
  ConfirmRequest,
  EnrolmentAnswer,
  EnrolmentRequest,
  IndexAnswer,
  ReadingsAnswer,
  SessionAnswer,
  SessionRequest,
} from '@meterseal/protocol';
import { fromUtf8, MetersealError } from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import type { Platform } from './platform.js';
import { examineReceipt } from './receipts.js';

/** The calls of interface 1 apart from HTTP. JSON bodies fit their schema by now; docs/formats.md has the calls. */
export class Interface1 {
  readonly #platform: Platform;
  readonly #chain: Chain;

  constructor(platform: Platform, chain: Chain) {
    this.#platform = platform;
    this.#chain = chain;
  }

  async enrol(body: EnrolmentRequest): Promise<EnrolmentAnswer> {
    if ('sealTo' in body === 'publicKey' in body) {
      throw new MetersealError(
        'bad-request',
        "couldn't enrol meter: exactly one of sealTo and publicKey belongs there",
      );
    }
    return this.#platform.enrolments.request(body);
  }

  async confirm(body: ConfirmRequest): Promise<ConfirmAnswer> {
    return this.#platform.enrolments.confirm(body);
  }

  async challenge(body: ChallengeRequest): Promise<ChallengeAnswer> {
    return this.#platform.authentications.challenge(body);
  }

  async authenticate(body: AuthenticationRequest): Promise<AuthenticationAnswer> {
    await this.#platform.revocations.apply();
    return this.#platform.authentications.authenticate(body);
  }

  async openSession(body: SessionRequest): Promise<SessionAnswer> {
    await this.#platform.revocations.apply();
    return this.#platform.sessions.open(body);
  }

  async submit(body: unknown): Promise<ReadingsAnswer> {
    await this.#platform.revocations.apply();
    return this.#platform.readings.submit(binary(body));
  }

  async acknowledge(body: unknown): Promise<IndexAnswer> {
    return this.#platform.acknowledgements.submit(binary(body));
  }

  async event(body: unknown): Promise<IndexAnswer> {
    return this.#platform.events.submit(body);
  }

  async presentReceipt(body: unknown): Promise<void> {
    await examineReceipt(this.#chain, fromUtf8(binary(body), 'bad-checkpoint'));
  }
}

/** A body that came as bytes; JSON in its place is refused. */
function binary(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  throw new MetersealError('bad-request', "couldn't read request: its body is not bytes");
}
