import type { ReadBack, SwitchDriverName, SwitchGrade } from '@meterseal/protocol';

/**
 * What moves the switch and reads it back. A driver decides nothing: when to connect, for how long, and what a
 * disagreement means is the state machine's.
 */
export interface SwitchDriver {
  readonly name: SwitchDriverName;
  readonly grade: SwitchGrade;
  /** True where something else than this driver can move the switch: it is looked at while isolated too. */
  readonly isMovedByOthers?: boolean;
  /**
   * Connects.
   *
   * @param until monotonic time at which the lease ends; what isolates by itself must not be later than that
   * @returns the TCP port at which the comparison is served now
   * @throws MetersealError; a rejected `connect` may have connected nevertheless, so that `isolate` follows it
   */
  connect(until: number): Promise<number>;
  /**
   * Stops accepting, drops queued data, resets live sockets, cuts; resolves when all of it is done. It may be
   * called in any state, any number of times, and while `connect` is still under way: then it wins.
   */
  isolate(): Promise<void>;
  /** What each witness says now. The witnesses share no evidence where the driver has more than one. */
  readBacks(): Promise<ReadBack[]>;
  /** Frees what the driver holds, after the last `isolate`. */
  close?(): Promise<void>;
}
