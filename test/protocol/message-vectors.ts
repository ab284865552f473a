import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import { type EntryType, fromHex, type MeterRef, type Signer } from '@meterseal/protocol';
import { vectorJson } from './vector.js';

type Hex = string;

interface MessageVector {
  readonly signerSeed: Hex;
  readonly signerKey: Hex;
  readonly message: Hex;
  readonly signature: Hex;
}

/** test/vectors/messages-v0.json: bytes in hex, made by a program that shares no code with ours. */
interface MessageVectors {
  readonly platformId: string;
  readonly origin: string;
  readonly logSeed: Hex;
  readonly witnessSeed: Hex;
  readonly collectorSeed: Hex;
  readonly collectorKey: Hex;
  readonly meters: readonly {
    readonly id: string;
    readonly subject: number;
    readonly salt: Hex;
    readonly commitment: Hex;
    readonly firstSeq: number;
    readonly identity: 'issued' | 'own';
    readonly identitySeed: Hex;
    readonly identityKey: Hex;
    readonly holder: Readonly<Record<string, string>>;
    readonly holderJcs: Hex;
    readonly holderSalt: Hex;
    readonly holderCommitment: Hex;
  }[];
  readonly offer: Readonly<
    Record<'sealToSecret' | 'sealTo' | 'ephemeralSecret' | 'boxNonce' | 'seed' | 'offer', Hex>
  >;
  readonly reading: {
    readonly record: string;
    readonly recordHex: Hex;
    readonly hash: Hex;
    readonly sessionSeed: Hex;
    readonly sessionKey: Hex;
    readonly sealed: Hex;
    readonly sealSignature: Hex;
    readonly session: number;
    readonly entryIndex: number;
  };
  readonly voidRecord: string;
  readonly running: {
    readonly first: number;
    readonly readingHashes: readonly Hex[];
    readonly runningHashes: readonly Hex[];
  };
  readonly messages: Readonly<
    Record<
      | 'enrolment'
      | 'authentication'
      | 'session'
      | 'delivery'
      | 'gap'
      | 'acknowledgement'
      | 'lease'
      | 'verdict',
      MessageVector
    >
  >;
  readonly entries: readonly { readonly name: string; readonly index: number; readonly bytes: Hex }[];
  readonly log: readonly Hex[];
  readonly checkpoint: string;
  readonly policy: string;
  readonly policyQuorum: string;
  readonly proof: string;
}

export const vectors = vectorJson<MessageVectors>('messages-v0.json');

const signers = new Map<string, Signer>();

/** The key of a seed of the vectors. */
export function vectorSigner(seed: Hex): Signer {
  const known = signers.get(seed) ?? crypto.keyFromSeed(fromHex(seed));
  signers.set(seed, known);
  return known;
}

/** Bytes of an entry of the vectors, by its name there. */
export function namedEntry(name: string): Uint8Array {
  const found = vectors.entries.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`no entry ${name} in the vectors`);
  return fromHex(found.bytes);
}

/** How signed messages name the first meter of the vectors. */
export const firstMeter: MeterRef = {
  subject: vectors.meters[0]!.subject,
  commitment: fromHex(vectors.meters[0]!.commitment),
};

/** The name of one entry of each type. */
export const ENTRY_OF_TYPE: Readonly<Record<EntryType, string>> = {
  enrolment: 'enrolment 1',
  authentication: 'authentication 1',
  session: 'session 1',
  reading: 'reading 1 7',
  switch: 'switch 2',
  verdict: 'verdict',
  'block-close': 'block-close',
  anchor: 'anchor',
  epoch: 'epoch',
  event: 'event',
  acknowledgement: 'acknowledgement',
};
