import type { Acknowledgement, IndexAnswer, Signed } from '@meterseal/protocol';
import {
  decodeSignedList,
  equalBytes,
  isSignedBy,
  MAX_BATCH,
  MetersealError,
  readAcknowledgement,
  toHex,
} from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import type { Draft } from '../draft.js';

/** Step 5 as the chain sees it: what collectors have acknowledged, by their own signatures. */
export class Acknowledgements {
  readonly #chain: Chain;
  readonly #collectorKeys: readonly Uint8Array[];

  constructor(chain: Chain, collectorKeys: readonly Uint8Array[]) {
    this.#chain = chain;
    this.#collectorKeys = collectorKeys;
  }

  /**
   * Commits acknowledgements, all or none. One that says what the last of its meter and collector said adds nothing.
   *
   * @param body signed acknowledgements, one behind the other
   * @returns the index of the last one's entry
   * @throws MetersealError `bad-message`, `unauthorised`, `bad-signature`, `unknown-meter`, `acknowledgement-behind`
   */
  async submit(body: Uint8Array): Promise<IndexAnswer> {
    const list = decodeSignedList(body, readAcknowledgement, MAX_BATCH);
    if (list.length === 0) {
      throw new MetersealError('bad-message', "couldn't accept acknowledgements: there is none");
    }
    for (const signed of list) this.#check(signed);
    const { result } = await this.#chain.append((draft) => {
      assertRising(draft, list);
      let index = 0;
      for (const signed of list) index = add(draft, signed);
      return { index };
    });
    return result;
  }

  #check(signed: Signed<Acknowledgement>): void {
    const { platformId, collectorKey } = signed.value;
    if (platformId !== this.#chain.platformId) {
      throw new MetersealError('bad-message', "couldn't accept acknowledgement: it is for another platform");
    }
    if (!this.#collectorKeys.some((key) => equalBytes(key, collectorKey))) {
      throw new MetersealError(
        'unauthorised',
        "couldn't accept acknowledgement: the collector is not configured",
        {
          hint: "Put the collector's key into the configuration of the chain.",
        },
      );
    }
    if (!isSignedBy(this.#chain.engine, collectorKey, signed)) {
      throw new MetersealError(
        'bad-signature',
        "couldn't accept acknowledgement: the collector did not sign it",
      );
    }
  }
}

/** Throws before anything is added: the whole list is refused for one that is. */
function assertRising({ state }: Draft, list: readonly Signed<Acknowledgement>[]): void {
  const heights = new Map<string, number>();
  for (const { value } of list) {
    const { meter, collectorKey, seq } = value;
    const subject = state.subjects.get(meter.subject);
    if (subject === undefined || !equalBytes(subject.commitment, meter.commitment)) {
      throw new MetersealError('unknown-meter', "couldn't accept acknowledgement: its meter is not enrolled");
    }
    const key = toHex(collectorKey);
    const name = `${meter.subject} ${key}`;
    const height = heights.get(name) ?? subject.acknowledged.get(key)?.seq ?? 0;
    if (seq < height) {
      throw new MetersealError(
        'acknowledgement-behind',
        `couldn't accept acknowledgement: height ${seq} after ${height}`,
        { hint: 'The collector was put back to an earlier copy, or an old acknowledgement was sent.' },
      );
    }
    heights.set(name, seq);
  }
}

function add(draft: Draft, { value, signature }: Signed<Acknowledgement>): number {
  const { meter, collectorKey, first, seq, runningHash, time: acknowledged } = value;
  const last = draft.state.subjects.get(meter.subject)!.acknowledged.get(toHex(collectorKey));
  const isSame = last?.seq === seq && last.first === first && equalBytes(last.runningHash, runningHash);
  if (isSame) return last.index;
  const body = { collectorKey, first, acknowledged, runningHash, signature };
  return draft.add({ type: 'acknowledgement', subject: meter.subject, seq, ...body });
}
