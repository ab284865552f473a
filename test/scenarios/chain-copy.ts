import { javascriptEngine as engine } from '@meterseal/native';
import type { Checkpoint, EntryOf, EntryType, Policy } from '@meterseal/protocol';
import {
  appendLeaves,
  decodeEntries,
  decodeEntry,
  EMPTY_RANGE,
  equalBytes,
  leafHashes,
  MAX_ENTRIES_PER_REQUEST,
  openCheckpoint,
  rangeRoot,
} from '@meterseal/protocol';
import { HttpClient } from 'meterseal/internal/host/http-client';

export type PlacedEntry<T extends EntryType = EntryType> = {
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly entry: EntryOf<T>;
};

/** The whole chain as anybody gets it from proof.sock: believed under a policy, and hashed to the signed root. */
export class ChainCopy {
  readonly note: string;
  readonly checkpoint: Checkpoint;
  readonly entries: readonly PlacedEntry[];

  private constructor(note: string, checkpoint: Checkpoint, entries: readonly PlacedEntry[]) {
    this.note = note;
    this.checkpoint = checkpoint;
    this.entries = entries;
  }

  static async read(socketPath: string, policy: Policy): Promise<ChainCopy> {
    const http = new HttpClient({ socketPath }, 'the proof socket');
    try {
      const note = (await http.send({ method: 'GET', path: '/checkpoint' })).body.toString('utf8');
      const { checkpoint } = openCheckpoint(engine, policy, note);
      const { size } = checkpoint;
      const leaves: Uint8Array[] = [];
      while (leaves.length < size) {
        const to = Math.min(size, leaves.length + MAX_ENTRIES_PER_REQUEST);
        const path = `/entries?from=${leaves.length}&to=${to}`;
        const { body } = await http.send({ method: 'GET', path });
        leaves.push(...decodeEntries(body, MAX_ENTRIES_PER_REQUEST));
      }
      const root = rangeRoot(engine, appendLeaves(engine, EMPTY_RANGE, leafHashes(engine, leaves)));
      if (!equalBytes(root, checkpoint.root)) throw new Error('the entries do not lead to the signed root');
      const entries = leaves.map((bytes, index) => ({ index, bytes, entry: decodeEntry(bytes) }));
      return new ChainCopy(note, checkpoint, entries);
    } finally {
      http.close();
    }
  }

  /** All entries of one type, of one subject if it is named. */
  all<T extends EntryType>(type: T, subject?: number): PlacedEntry<T>[] {
    return this.entries.filter(
      ({ entry }) => entry.type === type && (subject === undefined || entry.subject === subject),
    ) as unknown as PlacedEntry<T>[];
  }

  /** What was appended to an earlier copy of the same chain. */
  since(earlier: ChainCopy): PlacedEntry[] {
    return this.entries.slice(earlier.checkpoint.size);
  }
}
