import type { EventBody, IdentityState } from '@meterseal/protocol';
import type { ClockWatch } from '../host/clock-state.js';
import type { Logger } from '../host/logger.js';
import type { EnrolledMeter, EnrolmentData } from './enrolment.js';
import type { FieldStore } from './field-store.js';
import type { PolledReading, Recorder } from './recorder.js';
import type { StoredRecord } from './stored-record.js';

export type MeterAgentTools = {
  readonly store: FieldStore;
  readonly recorder: Recorder;
  readonly clock: ClockWatch;
  readonly log: Logger;
  /** Keeps an event for the chain; never throws. */
  readonly event: (event: EventBody) => void;
};

/** What a poll says besides the reading. */
export type Polled = PolledReading & { readonly serial?: string };

/** One meter's part in the protocol: who it is, and the records that are made in its name. */
export class MeterAgent {
  readonly data: EnrolmentData;
  readonly profile: string;
  readonly #tools: MeterAgentTools;
  #enrolled: EnrolledMeter | undefined;
  #serial: string | null = null;
  #identity: IdentityState = 'none';
  /** The other device that was told of last. */
  #toldOf: string | undefined;
  #last: StoredRecord | undefined;
  /** Why this meter is not enrolled, for the operator. */
  problem: string | undefined;

  constructor(data: EnrolmentData, profile: string, tools: MeterAgentTools) {
    this.data = data;
    this.profile = profile;
    this.#tools = tools;
  }

  get enrolled(): EnrolledMeter | undefined {
    return this.#enrolled;
  }

  /** The last record of this process. */
  get last(): StoredRecord | undefined {
    return this.#last;
  }

  become(enrolled: EnrolledMeter): void {
    this.#enrolled = enrolled;
    this.#serial = enrolled.meter.serial;
    this.problem = undefined;
  }

  /** Commits one reading; undefined while the meter is not enrolled, since a record needs a number on the chain. */
  async record(polled: Polled): Promise<StoredRecord | undefined> {
    if (this.#enrolled === undefined) return undefined;
    const { number } = this.#enrolled.meter;
    if (polled.serial !== undefined) await this.#checkIdentity(polled.serial);
    const origin = {
      meter: this.data.meter,
      profile: this.profile,
      identity: this.#identity,
      clock: this.#tools.clock.state(this.data.meter),
    };
    this.#last = await this.#tools.recorder.record(number, origin, polled);
    return this.#last;
  }

  /**
   * The device behind the address: the serial number that was read first is the meter's, until an operator accepts
   * another. Readings go on either way, and say which it was.
   */
  async #checkIdentity(serial: string): Promise<void> {
    const { number, subject } = this.#enrolled!.meter;
    if (this.#serial === null) {
      await this.#tools.store.saveSerial(number, serial);
      this.#serial = serial;
    }
    this.#identity = serial === this.#serial ? 'confirmed' : 'changed';
    if (this.#identity === 'confirmed' || serial === this.#toldOf) return;
    this.#toldOf = serial;
    this.#tools.log.error({ subject, serial }, "another device answers at this meter's address");
    this.#tools.event({ kind: 'meter-changed', subject: subject! });
  }
}
