/** What a collector has acknowledged of a meter. */
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
  /** @param voids numbers of the void records that were acknowledged with it */
  saveDelivery(
    meter: number,
    collector: Uint8Array,
    state: DeliveryState & { readonly acknowledgement: Uint8Array | null },
    voids: readonly number[],
  ): Promise<void>;
  /** Takes the collector's word for what it holds; which void records it got is forgotten, and they are sent again. */
  resetDelivery(meter: number, collector: Uint8Array, state: DeliveryState): Promise<void>;
  /** Readings as first made, in order, above `after`. */
  pending(meter: number, after: number, limit: number): Promise<readonly OutboxRecord[]>;
  /** The number that the next reading takes. */
  nextSeq(meter: number): Promise<number>;
  /** The hashes of the readings `from`…`to`; undefined where one is missing. */
  hashes(meter: number, from: number, to: number): Promise<readonly Uint8Array[] | undefined>;
  /** Void records of the numbers `from`…`to` that the collector has not acknowledged, in order. */
  unsentVoids(
    meter: number,
    collector: Uint8Array,
    from: number,
    to: number,
    limit: number,
  ): Promise<readonly OutboxRecord[]>;
}

/** What the outbox remembers of the acknowledgements themselves. */
export interface DeliveryReceipts {
  delivery(
    meter: number,
    collector: Uint8Array,
  ): Promise<{
    /** The latest, signed; null before the first. */
    readonly acknowledgement: Uint8Array | null;
    /** An acknowledgement up to here is on the chain, since `chainedMs`. */
    readonly chainedTo: number;
    readonly chainedMs: number;
  }>;
  saveChained(meter: number, collector: Uint8Array, to: number, ms: number): Promise<void>;
}
