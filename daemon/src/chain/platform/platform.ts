import type { Box, ChainStatus, Random } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';
import type { Clock } from '../../host/clock.js';
import type { Logger } from '../../host/logger.js';
import type { Chain } from '../commit.js';
import { HourlyLimit } from '../hourly-limit.js';
import { Acknowledgements } from './acknowledgements.js';
import { Authentications } from './authentications.js';
import { Challenges } from './challenges.js';
import { Enrolments } from './enrolments.js';
import { Events } from './events.js';
import { MeterDirectory } from './meter-directory.js';
import { Readings } from './readings.js';
import { Revocations } from './revocations.js';
import type { RosterSource } from './roster.js';
import type { SessionLimits } from './sessions.js';
import { Sessions } from './sessions.js';

/** Of rejected authentications, wrong codes and conflicts: so many an hour and meter get an entry of their own. */
const TOLD_EACH_HOUR = 10;
/** Three a second would be more than `session: per-transmission` with the shortest cycle needs. */
const AUTHENTICATIONS_PER_HOUR = 10_800;
const EVENTS_PER_HOUR = 60;
/** How often it is looked whether an hour has ended. */
const TELL_EVERY_MS = 60_000;

export type PlatformParts = {
  readonly chain: Chain;
  readonly roster: RosterSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly box: Box;
  readonly log: Logger;
  readonly collectorKeys: readonly Uint8Array[];
  readonly session: SessionLimits;
};

/** Interface 1 apart from HTTP: the parts of the platform, put together. */
export class Platform {
  readonly enrolments: Enrolments;
  readonly authentications: Authentications;
  readonly sessions: Sessions;
  readonly readings: Readings;
  readonly acknowledgements: Acknowledgements;
  readonly events: Events;
  readonly revocations: Revocations;
  readonly #parts: PlatformParts;
  readonly #rejected = new HourlyLimit(TOLD_EACH_HOUR);
  readonly #conflicts = new HourlyLimit(TOLD_EACH_HOUR);
  /** Limits whose excess was refused to its face, and need not be told. */
  readonly #untold = {
    wrongCodes: new HourlyLimit(TOLD_EACH_HOUR),
    accepted: new HourlyLimit(AUTHENTICATIONS_PER_HOUR),
    events: new HourlyLimit(EVENTS_PER_HOUR),
  };
  readonly #stop = new AbortController();
  #telling: Promise<void> | undefined;

  private constructor(parts: PlatformParts, directory: MeterDirectory) {
    const { chain, roster, random, box, log, collectorKeys, session } = parts;
    this.#parts = parts;
    const conflicts = this.#conflicts;
    const { wrongCodes, accepted, events } = this.#untold;
    this.enrolments = new Enrolments({
      chain,
      roster,
      directory,
      random,
      box,
      collectorKeys,
      wrongCodes,
      conflicts,
    });
    this.authentications = new Authentications({
      chain,
      directory,
      challenges: new Challenges(random),
      accepted,
      rejected: this.#rejected,
    });
    this.sessions = new Sessions({ chain, directory, collectorKeys, limits: session });
    this.readings = new Readings({ chain, directory, sessions: this.sessions, conflicts });
    this.acknowledgements = new Acknowledgements(chain, collectorKeys);
    this.events = new Events(chain, events);
    this.revocations = new Revocations({ chain, roster, directory, sessions: this.sessions, log });
  }

  /** @throws MetersealError `bad-roster`, `file-unusable` */
  static async start(parts: PlatformParts): Promise<Platform> {
    await parts.roster.current();
    const platform = new Platform(parts, await MeterDirectory.load(parts.chain.reader));
    await platform.revocations.apply();
    platform.#telling = platform.#tellEachHour();
    return platform;
  }

  status(): ChainStatus {
    const { chain } = this.#parts;
    const { size, height, note, meters } = chain.published;
    const { name: engine } = chain.engine;
    return {
      origin: chain.origin,
      size,
      height,
      checkpoint: note,
      meters,
      sessions: this.sessions.count,
      engine,
    };
  }

  /** Tells the chain what was only counted so far, while it still takes entries. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#telling;
    await this.#tell(true);
  }

  async #tellEachHour(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#parts.clock.sleep(TELL_EVERY_MS, this.#stop.signal);
      if (!this.#stop.signal.aborted) await this.#tell(false);
    }
  }

  /** One event per meter and hour for what was only counted. */
  async #tell(all: boolean): Promise<void> {
    const { chain, clock } = this.#parts;
    const now = clock.monotonic();
    for (const limit of Object.values(this.#untold)) limit.drain(now, all);
    const counts = [
      ...this.#rejected.drain(now, all).map((count) => ({ kind: 'rejections' as const, ...count })),
      ...this.#conflicts.drain(now, all).map((count) => ({ kind: 'conflict' as const, ...count })),
    ];
    if (counts.length === 0) return;
    try {
      await chain.append((draft) => {
        for (const { kind, name, count } of counts) {
          const subject = Number(name);
          draft.addEvent(subject === 0 ? { kind, count } : { kind, subject, count }, subject);
        }
      });
    } catch (error) {
      // Whoever runs the chain has been told that it has ended, and why; the count is lost with it.
      if (!isMetersealError(error, 'stopped', 'commit-failed', 'disk-full', 'behind-witness')) throw error;
    }
  }
}
