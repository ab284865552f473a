/*
 * The JSON bodies of interface 2 (field → collector). Keys, hashes and salts are padded standard base64.
 */

/** Opens a meter's commitment to the collector: personal data, never on the chain. */
export type Opening = {
  readonly meter: string;
  readonly salt: string;
  readonly subject: number;
  readonly identityKey: string;
};

export type RecordsAnswer = {
  /** Signed acknowledgements in base64, one per meter of the delivery. */
  readonly acknowledgements: readonly string[];
  /** Numbers for which other bytes were held already: the new ones are kept as a second version. */
  readonly conflicts: readonly { readonly meter: string; readonly seq: number }[];
};

/** What the collector holds of a meter; `seq` is `first` − 1 while it holds nothing. */
export type CollectorState = {
  readonly first: number;
  readonly seq: number;
  readonly runningHash: string;
  /**
   * The delivery statement (message ‖ signature) that this running hash was accepted with: a field that was put back to
   * an earlier copy takes its own word back, not the collector's. Absent where nothing was delivered since the last gap.
   */
  readonly statement?: string;
};
