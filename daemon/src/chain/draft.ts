import type { Entry, EntryBody, EventBody } from '@meterseal/protocol';
import { encodeEntry } from '@meterseal/protocol';
import type { LedgerState } from './ledger-state.js';
import type { EnrolmentRow, MeterRow, VerdictRow } from './store.js';

/** An entry without its time, which is that of the commit. */
export type NewEntry = { readonly subject: number; readonly seq: number } & EntryBody;

/** The block that is being put together: what jobs check against, and add to. */
export class Draft {
  /** What the chain will say once everything that was added is committed. */
  readonly state: LedgerState;
  /** Commit time of all its entries, milliseconds since 1970. */
  readonly time: number;
  readonly bytes: Uint8Array[] = [];
  readonly entries: Entry[] = [];
  readonly meters: MeterRow[] = [];
  readonly enrolments: EnrolmentRow[] = [];
  readonly verdicts: VerdictRow[] = [];

  constructor(state: LedgerState, time: number) {
    this.state = state;
    this.time = time;
  }

  /**
   * Adds an entry. A job makes all its checks before its first call: what was added stays.
   *
   * @returns the index it will have
   * @throws MetersealError `bad-argument`, `bad-entry`, `chain-damaged` for an entry that cannot be added; then nothing was
   */
  add(entry: NewEntry): number {
    const timed: Entry = { ...entry, time: this.time };
    const bytes = encodeEntry(timed);
    const index = this.state.size;
    this.state.apply(timed, index);
    this.bytes.push(bytes);
    this.entries.push(timed);
    return index;
  }

  /** Adds an event with the next number; `subject` 0 is the box. */
  addEvent(event: EventBody, subject = 0): number {
    return this.add({ type: 'event', subject, seq: this.state.lastEvent + 1, event });
  }
}
