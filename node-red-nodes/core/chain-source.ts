import type { Crypto, Policy } from '@meterseal/protocol';
import { equalBytes, isMetersealError, MetersealError, openCheckpoint, rangeRoot } from '@meterseal/protocol';
import { ChainReader } from './chain-reader.js';
import type { ChainView } from './chain-view.js';
import { rereadMirror } from './mirror.js';
import type { Mirrors } from './mirrors.js';
import { nextTurn } from './next-turn.js';
import type { Addressee } from './statement-trust.js';

/**
 * Everything that is mirrored, read from the disk again: what the entries hash to must be the root that the platform has
 * signed, or nothing is judged by them.
 *
 * @param lease whose `connecting` entry is looked for
 * @throws MetersealError `chain-damaged` where the mirror's files are not what was committed
 */
export async function readChain(
  crypto: Crypto,
  policy: Policy,
  mirrors: Mirrors,
  addressee: Addressee,
  lease: Uint8Array,
): Promise<ChainView> {
  const reader = new ChainReader(addressee, lease);
  for (const { epoch, mirror } of mirrors.committed()) {
    const { note, checkpoint } = mirror.head!;
    try {
      openCheckpoint(crypto, policy, note);
      reader.startEpoch({
        epoch,
        origin: checkpoint.origin,
        isChecked: (index) => mirror.checked.has(index),
      });
      const range = await rereadMirror(crypto, mirror, (piece, first) => reader.read(piece, first));
      if (!equalBytes(rangeRoot(crypto, range), checkpoint.root))
        refuse('they do not lead to the signed root');
    } catch (error) {
      if (!isMetersealError(error, 'file-damaged', 'policy-refused', 'bad-checkpoint')) throw error;
      refuse(error.message, error);
    }
    await nextTurn();
  }
  return reader.view;
}

function refuse(why: string, cause?: unknown): never {
  throw new MetersealError('chain-damaged', `couldn't read mirrored entries: ${why}`, {
    hint: "Keep the folder `mirror` for whoever looks into it, then move it away: it is fetched again from the chain's start.",
    cause,
  });
}
