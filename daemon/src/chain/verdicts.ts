import type { IndexAnswer } from '@meterseal/protocol';
import {
  concat,
  decodeSigned,
  equalBytes,
  isSignedBy,
  MetersealError,
  readVerdict,
  toHex,
} from '@meterseal/protocol';
import type { Chain } from './commit.js';
import { HourlyLimit } from './hourly-limit.js';

/** One comparison a minute and collector, and three more for people who ask in between. */
const VERDICTS_PER_HOUR = 240;

/** What collectors say after a comparison: kept, and told on the chain. Nobody judges it here. */
export class Verdicts {
  readonly #chain: Chain;
  readonly #collectorKeys: readonly Uint8Array[];
  readonly #limit = new HourlyLimit(VERDICTS_PER_HOUR);
  /** Index by hash, of this process; older ones are in the store. */
  readonly #added = new Map<string, number>();

  constructor(chain: Chain, collectorKeys: readonly Uint8Array[]) {
    this.#chain = chain;
    this.#collectorKeys = collectorKeys;
  }

  /**
   * Commits a verdict and keeps its statement. The same again: the same answer.
   *
   * @param body statement ‖ signature
   * @throws MetersealError `bad-message`, `unauthorised`, `bad-signature`, `rate-limited`
   */
  async submit(body: Uint8Array): Promise<IndexAnswer> {
    const { engine, origin, reader, clock } = this.#chain;
    const signed = decodeSigned(body, readVerdict);
    const { collectorKey, lease, size, verified, tampered, unverifiable } = signed.value;
    if (!this.#collectorKeys.some((key) => equalBytes(key, collectorKey))) {
      throw new MetersealError('unauthorised', "couldn't accept verdict: the collector is not configured", {
        hint: "Put the collector's key into the configuration of the chain.",
      });
    }
    if (!isSignedBy(engine, collectorKey, signed)) {
      throw new MetersealError('bad-signature', "couldn't accept verdict: the collector did not sign it");
    }
    if (signed.value.origin !== origin) {
      throw new MetersealError('bad-message', "couldn't accept verdict: it is about another chain");
    }
    const statementHash = engine.sha256(signed.message);
    const name = toHex(statementHash);
    const stored = await reader.verdict(statementHash);
    if (stored !== undefined) return { index: stored.index };

    const now = clock.monotonic();
    const { result } = await this.#chain.append((draft) => {
      const added = this.#added.get(name);
      if (added !== undefined) return { index: added };
      this.#limit.drain(now);
      if (!this.#limit.take(toHex(collectorKey), now)) {
        throw new MetersealError('rate-limited', "couldn't accept verdict: too many in this hour");
      }
      const index = draft.add({
        type: 'verdict',
        subject: 0,
        seq: draft.state.lastVerdict + 1,
        collectorKey,
        lease,
        size,
        verified,
        tampered,
        unverifiable,
        statementHash,
        signature: signed.signature,
      });
      draft.verdicts.push({ hash: statementHash, index, signed: concat(signed.message, signed.signature) });
      this.#added.set(name, index);
      return { index };
    });
    return result;
  }

  /**
   * @param hash of the statement
   * @returns statement ‖ signature
   * @throws MetersealError `not-found`
   */
  async find(hash: Uint8Array): Promise<Uint8Array> {
    const row = await this.#chain.reader.verdict(hash);
    if (row === undefined)
      throw new MetersealError('not-found', "couldn't find verdict: no statement has this hash");
    return row.signed;
  }
}
