import type { Engine } from '@meterseal/native';
import type { Proof, ProvenEntry } from '@meterseal/protocol';
import { MetersealError, parseCheckpoint, parseNote } from '@meterseal/protocol';
import type { FoundEntry } from './find-entry.js';
import { EntryLookup } from './find-entry.js';
import { SqliteChainReader } from './sqlite-store.js';
import type { ChainReader, IndexedType } from './store.js';
import { entriesOf, TreeEdge, TreeReader } from './tree.js';

/**
 * The chain's part of a proof file: the entries 01, 02, 03 and 04 of one reading with their inclusion proofs, under the
 * last checkpoint. The daemon may run meanwhile: the database is only read.
 *
 * @param path of chain.db
 * @throws MetersealError `not-found` while the reading is not on the chain; `file-unusable`, `chain-damaged`
 */
export async function chainProof(
  path: string,
  reading: { readonly subject: number; readonly seq: number },
  engine: Engine,
): Promise<Pick<Proof, 'entries' | 'note'>> {
  const reader = await SqliteChainReader.open(path);
  try {
    // One state for all of it: the checkpoint then covers every entry that was found.
    return await reader.snapshot(() => proveReading(reader, reading, engine));
  } finally {
    await reader.close();
  }
}

async function proveReading(
  reader: ChainReader,
  { subject, seq }: { readonly subject: number; readonly seq: number },
  engine: Engine,
): Promise<Pick<Proof, 'entries' | 'note'>> {
  const lookup = new EntryLookup(reader);
  const reading = await lookup.find('reading', subject, seq);
  const head = await reader.head();
  if (head === undefined || reading === undefined) {
    throw new MetersealError('not-found', `couldn't prove reading: number ${seq} is not on the chain`, {
      hint: 'It may not have been submitted yet: see `meterseal status`.',
    });
  }
  const session = present(await lookup.find('session', subject, reading.entry.session, reading.index));
  const enrolment = present(await lookup.find('enrolment', subject, 0, session.index));
  const authentication = session.entry.authentication;

  const { size } = parseCheckpoint(parseNote(head.note).text);
  const tree = new TreeReader(engine, reader, await TreeEdge.load(engine, reader, size));
  const proven = async (index: number, entry: Uint8Array): Promise<ProvenEntry> => ({
    index,
    entry,
    inclusion: await tree.inclusion(index, size),
  });
  return {
    entries: [
      await proven(enrolment.index, enrolment.bytes),
      await proven(authentication, (await entriesOf(reader, authentication, authentication + 1))[0]!),
      await proven(session.index, session.bytes),
      await proven(reading.index, reading.bytes),
    ],
    note: head.note,
  };
}

function present<T extends IndexedType>(found: FoundEntry<T> | undefined): FoundEntry<T> {
  if (found !== undefined) return found;
  throw new MetersealError(
    'chain-damaged',
    "couldn't prove reading: the chain does not hold what its entry names",
    {
      hint: 'Run `meterseal fsck`.',
    },
  );
}
