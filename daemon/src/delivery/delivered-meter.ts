import type { Hasher, MeterRef, Signer, Verifier } from '@meterseal/protocol';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import type { CollectorClient } from './collector-client.js';
import type { Outbox } from './outbox.js';

/** A meter whose readings are delivered: who it is, and the identity key that signs its statements. */
export type DeliveredMeter = {
  readonly number: number;
  readonly id: string;
  readonly salt: Uint8Array;
  readonly ref: MeterRef;
  readonly identity: Signer;
};

export type DelivererTools = {
  readonly client: CollectorClient;
  readonly outbox: Outbox;
  readonly crypto: Hasher & Verifier;
  readonly clock: Clock;
  readonly log: Logger;
  readonly platformId: string;
  readonly collectorKey: Uint8Array;
  /** False while a meter's numbers still have to be compared with the chain's. */
  readonly mayDeliver: (number: number) => boolean;
  /** Told once of each meter whose numbers were compared with the collector's, or could not be. */
  readonly onCompared?: (number: number) => void;
  /** Told whenever a meter's void records were acknowledged: the chain may get them now. */
  readonly onVoidsDelivered?: (number: number) => void;
  /** Makes sure that no number up to `peak` is used again; `ackedTo` is where the outbox is sure of. */
  readonly restartNumbers: (
    number: number,
    seen: { readonly ackedTo: number; readonly peak: number },
  ) => Promise<unknown>;
};
