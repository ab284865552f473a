import type { Verifier } from '@meterseal/protocol';
import type { ChainView } from '../mirror/chain-view.js';
import { SESSION_BAD, SESSION_GOOD } from '../mirror/chain-view.js';
import { nextTurn, SIGNATURES_PER_TURN } from '../time/next-turn.js';
import type { EntriesByEpoch } from './seal-check.js';
import { note } from './seal-check.js';

/**
 * Checks what the chain has of signatures besides seals: of sessions by identity keys, and of our own acknowledgements.
 * A session without a good one is named as a break of the chain; an acknowledgement without counts for nothing.
 *
 * @returns entries whose signatures are good
 */
export async function checkChainSignatures(verifier: Verifier, chain: ChainView): Promise<EntriesByEpoch> {
  const good: EntriesByEpoch = new Map();
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
  chain.unchecked = [];
  return good;
}
