import type { Engine, SigningKey } from '@meterseal/native';
import { generateSeed } from '@meterseal/native';
import type { Box, Holder, MeterRef } from '@meterseal/protocol';
import {
  enrolmentMessage,
  equalBytes,
  fromBase64,
  keyFromBase64,
  MetersealError,
  meterCommitment,
  openOffer,
  toBase64,
} from '@meterseal/protocol';
import type { FieldMeter, FieldStore } from './field-store.js';
import type { IdentityKeys } from './identity-keys.js';
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
  readonly keys: IdentityKeys;
  readonly engine: Engine;
  readonly box: Box;
  readonly platformId: string;
};

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
 * @throws MetersealError with the platform's code where it refuses; `unreachable` where it does not answer
 */
export async function enrol(data: EnrolmentData, tools: EnrolmentTools): Promise<EnrolledMeter> {
  let meter = await tools.store.meter(data.meter);
  if (meter.state === 'offered') await confirm(meter, tools);
  if (meter.state === 'new') {
    await request(data, meter, tools);
    await confirm(await tools.store.meter(data.meter), tools);
  }
  meter = await tools.store.meter(data.meter);
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
        : await platform.enrol({ ...common, publicKey: toBase64(engine.keyFromSeed(seed).publicKey) });
    seed ??= openOffer(box, fromBase64(answer.offer ?? '', 'bad-message'), oneTime.secretKey);
    const identityKey = keyFromBase64(answer.publicKey);
    if (!equalBytes(engine.keyFromSeed(seed).publicKey, identityKey)) {
      throw new MetersealError(
        'bad-message',
        "couldn't enrol meter: the platform's offer holds another key than it says",
      );
    }
    keys.save(meter.number, seed);
    const salt = fromBase64(answer.salt, 'bad-message');
    const nonce = fromBase64(answer.nonce, 'bad-message');
    await store.saveOffer(meter.number, { subject: answer.subject, salt, identityKey, nonce });
  } finally {
    seed?.fill(0);
    oneTime.secretKey.fill(0);
  }
}

async function confirm(meter: FieldMeter, tools: EnrolmentTools): Promise<void> {
  const identity = tools.keys.load(meter.number);
  const message = enrolmentMessage({
    platformId: tools.platformId,
    meter: refOf(meter, tools.engine),
    nonce: meter.nonce!,
    identityKey: identity.publicKey,
  });
  try {
    const { firstSeq } = await tools.platform.confirm({
      meter: meter.id,
      publicKey: toBase64(identity.publicKey),
      signature: toBase64(identity.sign(message)),
    });
    await tools.store.confirmEnrolment(meter.number, firstSeq);
  } catch (error) {
    // The platform keeps offers in memory only: after its restart the same code brings a new one.
    if (error instanceof MetersealError && error.code === 'no-offer') {
      await tools.store.forgetEnrolment(meter.number);
      throw new MetersealError(
        'unreachable',
        "couldn't confirm enrolment: the platform has forgotten its offer",
        {
          hint: 'It is asked again by itself.',
          cause: error,
        },
      );
    }
    throw error;
  }
}

function refOf(meter: FieldMeter, engine: Engine): MeterRef {
  return { subject: meter.subject!, commitment: meterCommitment(engine, meter.salt!, meter.id) };
}
