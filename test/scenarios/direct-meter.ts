import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SigningKey } from '@meterseal/native';
import { javascriptEngine as engine } from '@meterseal/native';
import type {
  AuthenticationAnswer,
  ChallengeAnswer,
  MeterRef,
  ReadingFrame,
  ReadingResult,
  SessionAnswer,
  Signer,
} from '@meterseal/protocol';
import {
  authenticationMessage,
  encodeRecord,
  enrolmentMessage,
  fromBase64,
  meterCommitment,
  platformIdOf,
  sessionMessage,
  toBase64,
} from '@meterseal/protocol';
import type { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { addToRoster } from 'meterseal/internal/commands/roster';
import type { StateFolder } from 'meterseal/internal/host/state-folder';

/** An answer to an authentication, with what was signed for it. */
export type Authentication = AuthenticationAnswer & {
  readonly origin: string;
  readonly message: Uint8Array;
};
export type DirectSession = SessionAnswer & { readonly key: SigningKey };

/** A meter that can sign for itself and speaks interface 1 directly; every step can be taken wrongly. */
export class DirectMeter {
  readonly id: string;
  readonly identity: SigningKey;
  readonly ref: MeterRef;
  readonly #platform: PlatformClient;

  constructor(platform: PlatformClient, id: string, identity: SigningKey, ref: MeterRef) {
    this.#platform = platform;
    this.id = id;
    this.identity = identity;
    this.ref = ref;
  }

  /** Puts the meter on the roster of the box, and enrols it with a key of its own. */
  static async enrol(platform: PlatformClient, state: StateFolder, id: string): Promise<DirectMeter> {
    const holder = { name: `Holder of ${id}` };
    const codeFile = join(state.root, `${id}.code`);
    addToRoster(state, { meter: id, holder }, codeFile);
    const identity = engine.generateKey();
    const publicKey = toBase64(identity.publicKey);
    const code = readFileSync(codeFile, 'utf8').trim();
    const offer = await platform.enrol({ meter: id, holder, code, publicKey });
    const commitment = meterCommitment(engine, fromBase64(offer.salt), id);
    const ref = { subject: offer.subject, commitment };
    const platformId = platformIdOf((await platform.challenge(id)).origin);
    const nonce = fromBase64(offer.nonce);
    const message = enrolmentMessage({ platformId, meter: ref, nonce, identityKey: identity.publicKey });
    await platform.confirm({ meter: id, publicKey, signature: toBase64(identity.sign(message)) });
    return new DirectMeter(platform, id, identity, ref);
  }

  challenge(): Promise<ChallengeAnswer> {
    return this.#platform.challenge(this.id);
  }

  /** Answers a challenge, a fresh one if none is given, signed with the identity key or another. */
  async authenticate(challenge?: ChallengeAnswer, signer: Signer = this.identity): Promise<Authentication> {
    const asked = challenge ?? (await this.challenge());
    const message = authenticationMessage({
      origin: asked.origin,
      meter: this.ref,
      challenge: fromBase64(asked.challenge),
    });
    const signature = toBase64(signer.sign(message));
    const answer = await this.#platform.authenticate({
      meter: this.id,
      challenge: asked.challenge,
      signature,
    });
    return { ...answer, origin: asked.origin, message };
  }

  /** Asks for a session on an authentication, whoever's and however it went. */
  async openSession(
    { index = 0, origin, message: authenticated }: Omit<Authentication, 'result' | 'reason'>,
    signer: Signer = this.identity,
  ): Promise<DirectSession> {
    const key = engine.generateKey();
    const message = sessionMessage({
      origin,
      meter: this.ref,
      authenticationHash: engine.sha256(authenticated),
      sessionKey: key.publicKey,
    });
    const answer = await this.#platform.openSession({
      meter: this.id,
      authentication: index,
      publicKey: toBase64(key.publicKey),
      signature: toBase64(signer.sign(message)),
    });
    return { ...answer, key };
  }

  /** Authenticates and opens a session, as it ought to be done. */
  async session(): Promise<DirectSession> {
    return this.openSession(await this.authenticate());
  }

  record(seq: number, value = '1.00'): Uint8Array {
    return recordOf(this.id, seq, value);
  }

  async submit(...frames: readonly ReadingFrame[]): Promise<readonly ReadingResult[]> {
    return (await this.#platform.submit(frames)).results;
  }
}

/** A well-formed reading that nobody polled. */
export function recordOf(meter: string, seq: number, value: string): Uint8Array {
  return encodeRecord({
    v: 0,
    meter,
    seq,
    time: '2026-01-01T00:00:00.000Z',
    span: 0,
    clock: 'synchronised',
    identity: 'none',
    profile: 'example/meter@0123456789abcdef',
    sw: 'a meter of its own',
    values: [{ obis: '1-0:1.8.0', unit: 'kWh', value }],
    raw: [],
    salt: 'AAAAAAAAAAAAAAAAAAAAAA',
  });
}
