/** What a collector has acknowledged of one meter. */
export type DeliveryState = {
  readonly first: number;
  /** `first` − 1 while nothing is acknowledged. */
  readonly ackedTo: number;
  /** Over first…ackedTo. */
  readonly runningHash: Uint8Array;
};

export type OutboxRecord = { readonly seq: number; readonly bytes: Uint8Array; readonly hash: Uint8Array };

/** The durable outbox as delivery sees it. Every write is on disk when it resolves. */
export interface Outbox {
  delivery(meter: number, collector: Uint8Array): Promise<DeliveryState>;
  saveDelivery(
    meter: number,
    collector: Uint8Array,
    state: DeliveryState & { readonly acknowledgement: Uint8Array | null },
  ): Promise<void>;
  /** Readings as first made, in order, above `after`. */
  pending(meter: number, after: number, limit: number): Promise<readonly OutboxRecord[]>;
  /** The hashes of the readings `from`…`to`; undefined where one is missing. */
  hashes(meter: number, from: number, to: number): Promise<readonly Uint8Array[] | undefined>;
  /** Void records of the numbers `from`…`to`, in order. */
  voids(meter: number, from: number, to: number): Promise<readonly OutboxRecord[]>;
  /**
   * A collector holds more than this outbox remembers: no number up to `peak` that has not reached the chain may be used
   * again.
   */
  raiseAbove(meter: number, peak: number): Promise<void>;
}

/** What the outbox remembers of the acknowledgements themselves. */
export interface DeliveryReceipts {
  delivery(
    meter: number,
    collector: Uint8Array,
  ): Promise<
    DeliveryState & {
      /** The latest, signed. */
      readonly acknowledgement: Uint8Array | null;
      /** An acknowledgement up to here is on the chain, since `chainedMs`. */
      readonly chainedTo: number;
      readonly chainedMs: number;
    }
  >;
  saveChained(meter: number, collector: Uint8Array, to: number, ms: number): Promise<void>;
}
