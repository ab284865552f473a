export type RecordBytes = { readonly bytes: Uint8Array; readonly hash: Uint8Array };

export type StoredRecord = RecordBytes & {
  readonly seq: number;
  /** 1: a void record that took the place of a refused or lost one. */
  readonly version: 0 | 1;
  readonly entryIndex: number | null;
};
