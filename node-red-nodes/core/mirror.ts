import { join } from 'node:path';
import type { BulkHasher, Checkpoint, CompactRange } from '@meterseal/protocol';
import {
  appendLeaves,
  ByteReader,
  ByteWriter,
  decodeRange,
  EMPTY_RANGE,
  encodeRange,
  equalBytes,
  fromUtf8,
  MAX_NOTE_BYTES,
  MetersealError,
  parseCheckpoint,
  parseNote,
  rangeRoot,
  utf8,
} from '@meterseal/protocol';
import { CheckedEntries } from './checked-entries.js';
import { Journal } from './journal.js';
import type { PackedEntries } from './packed-entries.js';
import type { Storage, StoredFile } from './storage.js';
import { storeError } from './storage.js';

/*
 * The mirror of one epoch of the chain, in a folder of its own:
 *
 *   entries   every entry, one behind the other
 *   lengths   u16 length of each
 *   commits   one item per window: u64 bytes of entries | u16 length ‖ checkpoint note | compact range
 *   checked   which signatures were found good (checked-entries.ts)
 *
 * What lies beyond the last commit record was never compared with a root: opening cuts it off.
 */

/** What the last commit record says. */
export type MirrorHead = {
  /** The signed checkpoint as it came. */
  readonly note: string;
  readonly checkpoint: Checkpoint;
  readonly range: CompactRange;
  /** Bytes of all entries. */
  readonly bytes: number;
};

/** Entries and bytes read at a time when the mirror is read again. */
const PIECE_ENTRIES = 65_536;
const PIECE_BYTES = 8 * 1024 * 1024;

export class Mirror {
  readonly checked: CheckedEntries;
  readonly #entries: StoredFile;
  readonly #lengths: StoredFile;
  readonly #commits: Journal;
  #head: MirrorHead | undefined;
  /** Where the next entry goes: its index, and its place in `entries`. */
  #size: number;
  #bytes: number;
  #failure: MetersealError | undefined;

  private constructor(
    files: { entries: StoredFile; lengths: StoredFile; commits: Journal; checked: CheckedEntries },
    head: MirrorHead | undefined,
  ) {
    this.#entries = files.entries;
    this.#lengths = files.lengths;
    this.#commits = files.commits;
    this.checked = files.checked;
    this.#head = head;
    this.#size = head?.range.size ?? 0;
    this.#bytes = head?.bytes ?? 0;
  }

  static async open(storage: Storage, folder: string, hasher: BulkHasher): Promise<Mirror> {
    await storage.makeFolder(folder);
    const opened: { close(): Promise<void> }[] = [];
    const keep = <T extends { close(): Promise<void> }>(file: T): T => {
      opened.push(file);
      return file;
    };
    try {
      let head: MirrorHead | undefined;
      const commits = keep(
        await Journal.open(storage, join(folder, 'commits'), 'mirror commits', (item) => {
          head = decodeCommit(hasher, item);
        }),
      );
      const size = (head as MirrorHead | undefined)?.range.size ?? 0;
      const entries = keep(await storage.open(join(folder, 'entries')));
      const lengths = keep(await storage.open(join(folder, 'lengths')));
      const checked = keep(await CheckedEntries.open(storage, join(folder, 'checked'), size));
      await cutTail(entries, (head as MirrorHead | undefined)?.bytes ?? 0);
      await cutTail(lengths, 2 * size);
      return new Mirror({ entries, lengths, commits, checked }, head);
    } catch (error) {
      for (const file of opened) await file.close();
      throw error;
    }
  }

  /** What is committed; undefined before the first commit. */
  get head(): MirrorHead | undefined {
    return this.#head;
  }

  /** Why nothing more can be mirrored until the collector is opened again. */
  get failure(): MetersealError | undefined {
    return this.#failure ?? this.checked.failure;
  }

  /** Takes entries behind those that it has; they count only once `commit` has resolved. */
  async append(entries: PackedEntries): Promise<void> {
    const count = entries.offsets.length - 1;
    const lengths = new Uint8Array(2 * count);
    for (let i = 0; i < count; i++) {
      const length = entries.offsets[i + 1]! - entries.offsets[i]!;
      lengths[2 * i] = length >> 8;
      lengths[2 * i + 1] = length;
    }
    await this.#guard(async () => {
      await this.#entries.write(entries.packed, this.#bytes);
      await this.#lengths.write(lengths, 2 * this.#size);
    });
    this.#bytes += entries.packed.length;
    this.#size += count;
  }

  /**
   * Makes what was appended count, as the tree of a checkpoint.
   *
   * @param range of all entries; the caller has compared its root with the checkpoint's
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async commit(note: string, checkpoint: Checkpoint, range: CompactRange): Promise<void> {
    const bytes = this.#bytes;
    await this.#guard(async () => {
      await this.#entries.sync();
      await this.#lengths.sync();
      // From here on every entry of the range is on the disk; the record below makes them count.
      const noteBytes = utf8(note);
      const item = new ByteWriter()
        .u64(bytes)
        .u16(noteBytes.length)
        .bytes(noteBytes)
        .bytes(encodeRange(range));
      await this.#commits.append([item.done()]);
    });
    this.#head = { note, checkpoint, range, bytes };
  }

  /** Forgets what was appended since the last commit; the next entries are written over it. */
  discard(): void {
    this.#size = this.#head?.range.size ?? 0;
    this.#bytes = this.#head?.bytes ?? 0;
  }

  /**
   * Reads all committed entries again, as they are on the disk now.
   *
   * @throws MetersealError `file-damaged` where the files are shorter than what was committed
   */
  async *read(): AsyncGenerator<PackedEntries> {
    const head = this.#head;
    if (head === undefined) return;
    let at = 0;
    for (let index = 0; index < head.range.size; ) {
      const lengths = await this.#readAll(
        this.#lengths,
        2 * index,
        2 * Math.min(PIECE_ENTRIES, head.range.size - index),
      );
      const offsets = offsetsOf(lengths);
      const packed = await this.#readAll(this.#entries, at, offsets.at(-1)!);
      yield { packed, offsets };
      index += offsets.length - 1;
      at += packed.length;
    }
    if (at !== head.bytes) damaged('it has other entries than were committed');
  }

  async close(): Promise<void> {
    for (const file of [this.#entries, this.#lengths, this.#commits, this.checked]) await file.close();
  }

  async #readAll(file: StoredFile, position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    if ((await file.read(bytes, position)) < length) damaged('it is shorter than what was committed');
    return bytes;
  }

  async #guard(write: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await write();
    } catch (cause) {
      this.#failure = storeError('mirror', cause);
      throw this.#failure;
    }
  }
}

/**
 * The range of a mirror as it is on the disk now, and what stands at its end.
 *
 * @param visit is handed every entry once, in order, in pieces; `first` is the index of the piece's first one
 * @param size hash this many entries only, for the root of an older tree
 */
export async function rereadMirror(
  hasher: BulkHasher,
  mirror: Mirror,
  visit: (piece: PackedEntries, first: number) => void,
  size = mirror.head?.range.size ?? 0,
): Promise<CompactRange> {
  let range = EMPTY_RANGE;
  for await (const piece of mirror.read()) {
    const count = Math.min(piece.offsets.length - 1, size - range.size);
    const offsets = piece.offsets.subarray(0, count + 1);
    visit({ packed: piece.packed, offsets }, range.size);
    range = appendLeaves(hasher, range, hasher.hashLeaves(piece.packed, offsets));
    if (range.size === size) break;
  }
  return range;
}

/** As many lengths as make a piece that is read at once; at least one. */
function offsetsOf(lengths: Uint8Array): Uint32Array {
  const offsets = new Uint32Array(lengths.length / 2 + 1);
  let count = 0;
  while (count < lengths.length / 2 && (count === 0 || offsets[count]! < PIECE_BYTES)) {
    offsets[count + 1] = offsets[count]! + lengths[2 * count]! * 256 + lengths[2 * count + 1]!;
    count++;
  }
  return offsets.subarray(0, count + 1);
}

async function cutTail(file: StoredFile, length: number): Promise<void> {
  if ((await file.size()) <= length) return;
  await file.truncate(length);
  await file.sync();
}

function decodeCommit(hasher: BulkHasher, item: Uint8Array): MirrorHead {
  const from = new ByteReader(item, 'file-damaged');
  const bytes = from.u64();
  const length = from.u16();
  if (length > MAX_NOTE_BYTES) from.refuse('a note that is too long');
  const note = fromUtf8(from.bytes(length), 'file-damaged');
  const range = decodeRange(from.bytes(from.left), 'file-damaged');
  const checkpoint = parseCheckpoint(parseNote(note).text);
  if (checkpoint.size !== range.size || !equalBytes(rangeRoot(hasher, range), checkpoint.root)) {
    from.refuse('a compact range of another tree');
  }
  return { note, checkpoint, range, bytes };
}

function damaged(why: string): never {
  throw new MetersealError('file-damaged', `couldn't read mirror: ${why}`, {
    hint: "Keep the folder for whoever looks into it, then move it away: the mirror is fetched again from the chain's start.",
  });
}
