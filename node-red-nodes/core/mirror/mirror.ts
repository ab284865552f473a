import { join } from 'node:path';
import type { BulkHasher, Checkpoint, CompactRange } from '@meterseal/protocol';
import {
  ByteReader,
  ByteWriter,
  decodeRange,
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
import { Journal } from '../storage/journal.js';
import { ReadAhead } from '../storage/read-ahead.js';
import type { Storage, StoredFile } from '../storage/storage.js';
import { storeError } from '../storage/storage.js';
import { CheckedEntries } from './checked-entries.js';
import type { EntryList } from './entry-list.js';
import { countOf, cutEntryList } from './entry-list.js';

/*
 * The mirror of one epoch of the chain, in a folder of its own:
 *
 *   entries   every entry as it came: (u16 length ‖ entry)*
 *   commits   one item per window: u64 bytes of `entries` | u16 length ‖ checkpoint note | compact range
 *   checked   which signatures were found good, or not (checked-entries.ts)
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

/** A place between two entries. */
export type MirrorPlace = { readonly size: number; readonly bytes: number };

export const MIRROR_START: MirrorPlace = { size: 0, bytes: 0 };

/** Bytes written since the last sync after which the next one is begun, so that the commit has little left to wait for. */
const SYNC_BYTES = 16 * 1024 * 1024;

export class Mirror {
  readonly checked: CheckedEntries;
  readonly #entries: StoredFile;
  readonly #commits: Journal;
  #head: MirrorHead | undefined;
  /** Where the next entry goes. */
  #size: number;
  #bytes: number;
  /** Writes under way, one after the other, and the sync that runs beside them. */
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #unsynced = 0;
  #failure: MetersealError | undefined;

  private constructor(
    files: { entries: StoredFile; commits: Journal; checked: CheckedEntries },
    head: MirrorHead | undefined,
  ) {
    this.#entries = files.entries;
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
      const committed = head as MirrorHead | undefined;
      const size = committed?.range.size ?? 0;
      const entries = keep(await storage.open(join(folder, 'entries')));
      const checked = keep(await CheckedEntries.open(storage, join(folder, 'checked'), size));
      await cutTail(entries, committed?.bytes ?? 0);
      return new Mirror({ entries, commits, checked }, committed);
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

  /**
   * Takes entries behind those that it has; they count only once `commit` has resolved. They are written while the
   * next ones come: `bytes` must stay as they are until then.
   *
   * @throws MetersealError `commit-failed`, `disk-full` where an earlier write has failed
   */
  async append(list: EntryList): Promise<void> {
    await this.#guard(this.#writing);
    const { bytes } = list;
    this.#writing = this.#write(bytes, this.#bytes);
    // Whoever comes next, or commits, hears of it.
    this.#writing.catch(() => {});
    this.#bytes += bytes.length;
    this.#size += countOf(list);
  }

  /** Where the next entry goes. */
  get end(): MirrorPlace {
    return { size: this.#size, bytes: this.#bytes };
  }

  /**
   * Makes what was appended count, as the tree of a checkpoint.
   *
   * @param range of all entries; the caller has compared its root with the checkpoint's
   * @throws MetersealError `commit-failed`, `disk-full`
   */
  async commit(note: string, checkpoint: Checkpoint, range: CompactRange): Promise<void> {
    const bytes = this.#bytes;
    await this.#guard(this.#writing.then(() => this.#syncing).then(() => this.#entries.sync()));
    this.#unsynced = 0;
    // From here on every entry of the range is on the disk; the record below makes them count.
    const noteBytes = utf8(note);
    const item = new ByteWriter().u64(bytes).u16(noteBytes.length).bytes(noteBytes).bytes(encodeRange(range));
    await this.#guard(this.#commits.append([item.done()]));
    this.#head = { note, checkpoint, range, bytes };
  }

  /** Forgets what was appended since the last commit; the next entries are written over it. */
  discard(): void {
    this.#size = this.#head?.range.size ?? 0;
    this.#bytes = this.#head?.bytes ?? 0;
  }

  /**
   * Reads entries again, as they are on the disk now.
   *
   * @param from where to begin
   * @param to where to end, both committed places
   * @returns lists that follow one another, each good until the next but one is asked for
   * @throws MetersealError `file-damaged` where the file does not hold them
   */
  async *read(from: MirrorPlace, to: MirrorPlace): AsyncGenerator<EntryList> {
    const ahead = new ReadAhead(this.#entries, to.bytes);
    let { size, bytes: at } = from;
    if (at < to.bytes) ahead.begin(at);
    while (at < to.bytes) {
      const piece = await ahead.take();
      const list = cutEntryList(piece.bytes, to.size - size);
      if (list.bytes.length === 0) damaged('it is shorter than what was committed, or holds other entries');
      at += list.bytes.length;
      size += countOf(list);
      if (at < to.bytes) ahead.begin(at);
      yield list;
    }
    if (size !== to.size) damaged('it has other entries than were committed');
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => {});
    await this.#syncing?.catch(() => {});
    for (const file of [this.#entries, this.#commits, this.checked]) await file.close();
  }

  async #write(bytes: Uint8Array, at: number): Promise<void> {
    await this.#entries.write(bytes, at);
    this.#unsynced += bytes.length;
    if (this.#unsynced < SYNC_BYTES || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    this.#syncing = this.#entries.sync();
    this.#syncing.then(
      () => {
        this.#syncing = undefined;
      },
      () => {},
    );
  }

  async #guard(work: Promise<unknown>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      await work;
    } catch (cause) {
      this.#failure = storeError('mirror', cause);
      throw this.#failure;
    }
  }
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
