import type { EventKind, IndexAnswer } from '@meterseal/protocol';
import { checkEvent, isMetersealError, MetersealError } from '@meterseal/protocol';
import type { Chain } from '../commit.js';
import type { HourlyLimit } from '../hourly-limit.js';

/** What the field may say. The other kinds are the platform's own words. */
const FIELD_KINDS: readonly EventKind[] = [
  'clock-step',
  'disk-low',
  'disk-full',
  'ballast-spent',
  'fault',
  'meter-changed',
  'meter-exchanged',
  'replaced',
  'restored',
];

/** Events that the field reports. */
export class Events {
  readonly #chain: Chain;
  readonly #limit: HourlyLimit;

  /** @param limit by kind and subject */
  constructor(chain: Chain, limit: HourlyLimit) {
    this.#chain = chain;
    this.#limit = limit;
  }

  /**
   * @param event from anybody; its `subject`, where it has one, becomes the entry's
   * @throws MetersealError `bad-entry`, `bad-request` for a kind that is not the field's, `unknown-meter`, `rate-limited`
   */
  async submit(event: unknown): Promise<IndexAnswer> {
    try {
      checkEvent(event);
    } catch (error) {
      throw isMetersealError(error) ? error : new MetersealError('bad-entry', "couldn't accept event");
    }
    if (!FIELD_KINDS.includes(event.kind)) {
      throw new MetersealError(
        'bad-request',
        `couldn't accept event: ${event.kind} is not for the field to say`,
      );
    }
    const { subject = 0 } = event as { subject?: unknown };
    if (!Number.isInteger(subject))
      throw new MetersealError('bad-entry', "couldn't accept event: subject is no number");
    const now = this.#chain.clock.monotonic();
    const { result } = await this.#chain.append((draft) => {
      if (subject !== 0 && !draft.state.subjects.has(subject as number)) {
        throw new MetersealError(
          'unknown-meter',
          `couldn't accept event: subject ${subject} is not enrolled`,
        );
      }
      if (!this.#limit.take(`${event.kind} ${subject}`, now)) {
        throw new MetersealError(
          'rate-limited',
          `couldn't accept event: too many of kind ${event.kind} in this hour`,
        );
      }
      return { index: draft.addEvent(event, subject as number) };
    });
    return result;
  }
}
