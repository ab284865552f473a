import type { Verifier } from '@meterseal/protocol';
import type { ChainView } from './chain-view.js';
import { SESSION_BAD, SESSION_GOOD } from './chain-view.js';
import { nextTurn, SIGNATURES_PER_TURN } from './next-turn.js';
import type { Spool } from './spool.js';
import type { SpoolIndex } from './spool-index.js';
import type { Survey } from './survey.js';

/** Entries whose signatures were found good, to be remembered: epoch → indexes. */
export type GoodEntries = Map<number, number[]>;

/**
 * Checks what the chain has of signatures besides seals: of sessions by identity keys, and of our own acknowledgements.
 * A session without a good one is named as a break of the chain; an acknowledgement without counts for nothing.
 */
export async function checkChainSignatures(
  verifier: Verifier,
  chain: ChainView,
  good: GoodEntries,
): Promise<void> {
  for (const [i, unchecked] of chain.unchecked.entries()) {
    const { epoch, index, key, message, signature, session, acknowledged } = unchecked;
    const isGood = verifier.verify(key, message, signature);
    if (isGood) note(good, epoch, index);
    if (isGood && acknowledged !== undefined) chain.noteAcknowledged(acknowledged.subject, acknowledged.run);
    if (session !== undefined) {
      chain.sessionStates.set(session, isGood ? SESSION_GOOD : SESSION_BAD);
      if (!isGood) {
        chain.breaks.push({ subject: chain.sessionSubjects.at(session), seq: 0, flaw: 'session-invalid' });
      }
    }
    if (i % SIGNATURES_PER_TURN === SIGNATURES_PER_TURN - 1) await nextTurn();
  }
}

/**
 * Checks the seals of entries whose record is held: the session's key over the record's bytes.
 *
 * @returns rows of the chain whose seal is not good
 */
export async function checkSeals(
  verifier: Verifier,
  spool: Spool,
  held: SpoolIndex,
  chain: ChainView,
  survey: Survey,
  good: GoodEntries,
): Promise<Set<number>> {
  const bad = new Set<number>();
  for (let i = 0; i < survey.sealedHeld.length; i++) {
    const row = survey.sealedChain.at(i);
    const record = await spool.read(held, survey.sealedHeld.at(i));
    const key = chain.sessionKeys.at(chain.readingSessions.at(row));
    const signature = chain.sealSignatures.at(chain.unsealed.get(row)!);
    if (verifier.verify(key, record, signature)) note(good, chain.epochs.at(row), chain.indexes.at(row));
    else bad.add(row);
    if (i % SIGNATURES_PER_TURN === SIGNATURES_PER_TURN - 1) await nextTurn();
  }
  return bad;
}

function note(good: GoodEntries, epoch: number, index: number): void {
  const indexes = good.get(epoch);
  if (indexes === undefined) good.set(epoch, [index]);
  else indexes.push(index);
}
