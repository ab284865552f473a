import type { IndexAnswer, SwitchTransition } from '@meterseal/protocol';
import {
  equalBytes,
  fromHex,
  MetersealError,
  toBase64,
  toHex,
  transitionBytes,
  transitionFromBytes,
} from '@meterseal/protocol';
import type { Chain } from './commit.js';
import type { Draft } from './draft.js';
import { EntryLookup } from './find-entry.js';

/** Where the chain stands, for a gate that has lost its own record. */
export type LastTransition = {
  /** Number of the last transition; 0 before the first. */
  readonly seq: number;
  readonly to: string;
  /** Highest lease counter by collector key, padded base64. */
  readonly leaseCounters: readonly { readonly key: string; readonly counter: number }[];
};

const NOBODY = new Uint8Array(32);

/** The transitions of the isolation switch, as the gate tells them: gap-free from 1. */
export class Transitions {
  readonly #chain: Chain;
  readonly #collectorKeys: readonly Uint8Array[];

  constructor(chain: Chain, collectorKeys: readonly Uint8Array[]) {
    this.#chain = chain;
    this.#collectorKeys = collectorKeys;
  }

  /**
   * Commits the transition number `seq`. The same again: the same answer.
   *
   * @param body of entry 05
   * @throws MetersealError `bad-message`; `transition-refused` for a number or a state that does not follow;
   *   `lease-replayed` for a lease whose counter does not exceed its key's last
   */
  async submit(seq: number, body: Uint8Array): Promise<IndexAnswer> {
    const transition = transitionFromBytes(body);
    if (seq < 1) throw refused('numbers start at 1');
    // Once more where it was committed while it was looked for.
    for (let tries = 0; tries < 2; tries++) {
      const found = await new EntryLookup(this.#chain.reader).find('switch', 0, seq);
      if (found !== undefined) {
        if (equalBytes(transitionBytes(found.entry), body)) return { index: found.index };
        throw refused(`another transition has number ${seq}`);
      }
      const { result } = await this.#chain.append((draft) => this.#add(draft, seq, transition));
      if (result !== undefined) return result;
    }
    throw new MetersealError(
      'chain-damaged',
      `couldn't commit transition: number ${seq} is taken and cannot be found`,
    );
  }

  async last(): Promise<LastTransition> {
    const { result } = await this.#chain.append(({ state }) => ({
      ...state.switchPosition,
      leaseCounters: [...state.leaseCounters].map(([key, counter]) => ({
        key: toBase64(fromHex(key)),
        counter,
      })),
    }));
    return result;
  }

  /** Undefined: the number is taken. */
  #add(draft: Draft, seq: number, transition: SwitchTransition): IndexAnswer | undefined {
    const { switchPosition, leaseCounters } = draft.state;
    if (seq <= switchPosition.seq) return undefined;
    if (seq !== switchPosition.seq + 1) throw refused(`number ${seq} after ${switchPosition.seq}`);
    if (transition.from !== switchPosition.to) {
      throw refused(`from ${transition.from}, and the switch is ${switchPosition.to}`);
    }
    const { to, who, counter } = transition;
    if (to === 'connecting' && !equalBytes(who, NOBODY)) {
      if (!this.#collectorKeys.some((key) => equalBytes(key, who)))
        throw refused('its lease is not of a configured collector');
      const last = leaseCounters.get(toHex(who)) ?? 0;
      if (counter <= last) {
        throw new MetersealError(
          'lease-replayed',
          `couldn't commit transition: lease counter ${counter} after ${last}`,
          {
            hint: 'A recorded lease request was sent again, or the collector has lost its counter.',
          },
        );
      }
    }
    return { index: draft.add({ type: 'switch', subject: 0, seq, ...transition }) };
  }
}

function refused(why: string): MetersealError {
  return new MetersealError('transition-refused', `couldn't commit transition: ${why}`, {
    hint: 'Ask for the last transition and go on from there.',
  });
}
