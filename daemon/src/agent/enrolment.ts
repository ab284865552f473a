import type { Engine, SigningKey } from '@meterseal/native';
import { generateSeed } from '@meterseal/native';
import type { Box, Holder, MeterRef } from '@meterseal/protocol';
import {
  enrolmentMessage,
  equalBytes,
  fromBase64,
  isMetersealError,
  keyFromBase64,
  MetersealError,
  meterCommitment,
  openOffer,
  toBase64,
} from '@meterseal/protocol';
import type { FieldMeter, FieldStore } from './field-store.js';
import type { IdentityVault } from './identity-keys.js';
import type { PlatformClient } from './platform-client.js';

/** What a meter's agent has to know before it can enrol. */
export type EnrolmentData = {
  readonly meter: string;
  readonly holder: Holder;
  /** The one-time code, read when it is needed and not before. */
  readonly code: () => string;
  /** `issued`: the platform makes the identity key; `own`: the agent does. */
  readonly keyOrigin: 'issued' | 'own';
};

export type EnrolmentTools = {
  readonly platform: PlatformClient;
  readonly store: FieldStore;
  readonly keys: IdentityVault;
  readonly engine: Engine;
  readonly box: Box;
  readonly platformId: string;
};

const SALT_BYTES = 16;
const NONCE_BYTES = 32;
const MAX_SUBJECT = 2 ** 32 - 1;

/** A meter that the platform knows: its identity and how signed messages name it. */
export type EnrolledMeter = {
  readonly meter: FieldMeter;
  readonly identity: SigningKey;
  readonly ref: MeterRef;
};

/**
 * Step 1 of the protocol: request, key, confirmation. The secret is on disk before it is confirmed, and only the
 * confirmation burns the code; so it can be interrupted anywhere and begun again.
 *
 * @throws MetersealError what the platform refuses as `RefusedRequest`; `unreachable`, `timeout` where it does not answer;
 *   `bad-message` where its answer is not sound; `file-missing`, `file-unusable` for the code
 */
export async function enrol(data: EnrolmentData, tools: EnrolmentTools): Promise<EnrolledMeter> {
  const { store } = tools;
  let meter = await store.meter(data.meter);
  if (meter.state === 'offered') {
    try {
      await confirm(meter, tools);
    } catch (error) {
      // The platform keeps offers in memory only, so after its restart the same code brings a new one. Had this offer
      // been confirmed before, it would have said so.
      if (!isMetersealError(error, 'no-offer')) throw error;
      await store.forgetEnrolment(meter.number);
    }
    meter = await store.meter(data.meter);
  }
  if (meter.state === 'new') {
    await request(data, meter, tools);
    await confirm(await store.meter(data.meter), tools);
    meter = await store.meter(data.meter);
  }
  return enrolledMeter(meter, tools);
}

/** The identity of a meter that is enrolled already; no platform is asked. */
export function enrolledMeter(
  meter: FieldMeter,
  tools: Pick<EnrolmentTools, 'keys' | 'engine'>,
): EnrolledMeter {
  const identity = tools.keys.load(meter.number);
  if (meter.identityKey === null || !equalBytes(identity.publicKey, meter.identityKey)) {
    throw new MetersealError(
      'bad-key',
      `couldn't use identity key ${meter.number}: it is not the enrolled one`,
      {
        hint: 'Restore the key file from its backup, or enrol the meter anew.',
      },
    );
  }
  return { meter, identity, ref: refOf(meter, tools.engine) };
}

async function request(data: EnrolmentData, meter: FieldMeter, tools: EnrolmentTools): Promise<void> {
  const { platform, store, keys, engine, box } = tools;
  const common = { meter: data.meter, holder: data.holder, code: data.code() };
  const oneTime = box.keyPair();
  let seed = data.keyOrigin === 'own' ? generateSeed() : undefined;
  try {
    const answer =
      seed === undefined
        ? await platform.enrol({ ...common, sealTo: toBase64(oneTime.publicKey) })
        : await platform.enrol({ ...common, publicKey: toBase64(publicKeyOf(seed, engine)) });
    seed ??= openOffer(box, fromBase64(answer.offer ?? '', 'bad-message'), oneTime.secretKey);
    const identityKey = keyFromBase64(answer.publicKey);
    const salt = fromBase64(answer.salt, 'bad-message');
    const nonce = fromBase64(answer.nonce, 'bad-message');
    if (!equalBytes(publicKeyOf(seed, engine), identityKey)) refuse('it holds another key than it says');
    if (answer.subject < 1 || answer.subject > MAX_SUBJECT) refuse('it gives the meter no number');
    if (salt.length !== SALT_BYTES || nonce.length !== NONCE_BYTES)
      refuse('salt or nonce have another length');
    // From here on the secret is on disk, whatever happens to the offer; only then it may be confirmed.
    keys.save(meter.number, seed);
    await store.saveOffer(meter.number, { subject: answer.subject, salt, identityKey, nonce });
  } finally {
    seed?.fill(0);
    oneTime.secretKey.fill(0);
  }
}

async function confirm(meter: FieldMeter, tools: EnrolmentTools): Promise<void> {
  const identity = tools.keys.load(meter.number);
  try {
    const message = enrolmentMessage({
      platformId: tools.platformId,
      meter: refOf(meter, tools.engine),
      nonce: meter.nonce!,
      identityKey: identity.publicKey,
    });
    const { firstSeq } = await tools.platform.confirm({
      meter: meter.id,
      publicKey: toBase64(identity.publicKey),
      signature: toBase64(identity.sign(message)),
    });
    if (firstSeq < 1) refuse('it gives no first number');
    await tools.store.confirmEnrolment(meter.number, firstSeq);
  } finally {
    identity.destroy();
  }
}

function publicKeyOf(seed: Uint8Array, engine: Engine): Uint8Array {
  const key = engine.keyFromSeed(seed);
  key.destroy();
  return key.publicKey;
}

function refOf(meter: FieldMeter, engine: Engine): MeterRef {
  return { subject: meter.subject!, commitment: meterCommitment(engine, meter.salt!, meter.id) };
}

function refuse(why: string): never {
  throw new MetersealError('bad-message', `couldn't enrol meter: the platform's answer is unsound: ${why}`);
}
