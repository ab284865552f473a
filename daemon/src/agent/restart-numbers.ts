import type { FieldStore, GivenUp } from './field-store.js';
import type { Recorder } from './recorder.js';

/**
 * A collector holds readings up to `peak` which the meter's identity key once signed for and field.db does not have: no
 * number up to there is used again, and what was made under such numbers since is made again above them. Numbers that
 * reached the chain, or that this field knows to be acknowledged, are not in doubt.
 *
 * @param ackedTo what field.db knows to be acknowledged by this collector
 * @returns undefined where no number was lost
 */
export async function restartNumbers(
  store: FieldStore,
  recorder: Recorder,
  number: number,
  { ackedTo, peak }: { readonly ackedTo: number; readonly peak: number },
): Promise<GivenUp | undefined> {
  const meter = (await store.meters()).find((known) => known.number === number)!;
  const from = Math.max(meter.anchoredTo, ackedTo) + 1;
  return store.restart(number, { from, peak, onChain: false }, (bytes, seq) => recorder.remake(bytes, seq));
}
