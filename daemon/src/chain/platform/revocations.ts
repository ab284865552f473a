import { isMetersealError } from '@meterseal/protocol';
import type { Logger } from '../../host/logger.js';
import type { Chain } from '../commit.js';
import type { MeterDirectory } from './meter-directory.js';
import type { RosterEntries, RosterSource } from './roster.js';
import type { Sessions } from './sessions.js';

/**
 * The operator takes an identity back with `revoked: true` on the roster. The chain tells it before anything else of that
 * meter is answered: its session ends, authentications are rejected, until it is enrolled anew.
 */
export class Revocations {
  readonly #parts: {
    readonly chain: Chain;
    readonly roster: RosterSource;
    readonly directory: MeterDirectory;
    readonly sessions: Sessions;
    readonly log: Logger;
  };
  #applied: RosterEntries | undefined;

  constructor(parts: {
    readonly chain: Chain;
    readonly roster: RosterSource;
    readonly directory: MeterDirectory;
    readonly sessions: Sessions;
    readonly log: Logger;
  }) {
    this.#parts = parts;
  }

  /** Brings what the roster says now onto the chain. A roster that cannot be read takes nobody's identity, nor gives it back. */
  async apply(): Promise<void> {
    const entries = await this.#read();
    if (entries === this.#applied) return;
    const { chain, directory, sessions } = this.#parts;
    const revoked = [...entries.values()].filter((entry) => entry.revoked);
    const subjects = revoked.flatMap(({ meter }) => directory.find(meter)?.subject ?? []);
    await chain.append((draft) => {
      for (const subject of subjects) {
        if (!draft.state.subjects.get(subject)!.revoked)
          draft.addEvent({ kind: 'revocation', subject }, subject);
      }
    });
    for (const subject of subjects) sessions.end(subject);
    this.#applied = entries;
  }

  async #read(): Promise<RosterEntries> {
    const { roster, log } = this.#parts;
    try {
      return await roster.current();
    } catch (error) {
      if (!isMetersealError(error)) throw error;
      log.warn({ err: error }, 'roster unreadable: revocations stay as they are');
      return roster.lastGood;
    }
  }
}
