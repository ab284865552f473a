import { javascriptEngine } from '@meterseal/native/javascript';
import type { HeldQuery, HeldReadings } from '@meterseal/node-red-meterseal/core';
import { isMeterId, MetersealError, parseTime } from '@meterseal/protocol';
import type { ReadingMessage } from './reading-message.js';
import { readingMessage, recordOf } from './reading-message.js';

/** Which stored readings are wanted. Times are of the record, milliseconds since 1970, both inclusive. */
export type ReplayQuery = HeldQuery & {
  readonly since: number;
  readonly until: number;
  /** At most so many. */
  readonly most: number;
};

/** What the node's dialog says, where a message does not. */
export type ReplayStandard = {
  /** All meters where it is not given. */
  readonly meter: string | undefined;
  /** Not older than so many milliseconds; 0 for however old. */
  readonly last: number;
  readonly most: number;
};

/**
 * What a message asks for: `{meter, from, to, since, until, most}` in `msg.replay`, each by itself, times as
 * `YYYY-MM-DDThh:mm:ss.sssZ` or milliseconds since 1970. What it leaves out the dialog says.
 *
 * @throws MetersealError `misuse`
 */
export function replayQuery(asked: unknown, standard: ReplayStandard, now: number): ReplayQuery {
  const wanted = (typeof asked === 'object' && asked !== null ? asked : {}) as Record<string, unknown>;
  const meter = wanted['meter'] ?? standard.meter;
  if (meter !== undefined && !isMeterId(meter)) refuse('`meter` is no meter ID');
  const oldest = standard.last === 0 ? 0 : now - standard.last;
  return {
    ...(meter === undefined ? {} : { meter }),
    from: integerOf(wanted['from'] ?? 1, 'from'),
    to: integerOf(wanted['to'] ?? Number.MAX_SAFE_INTEGER, 'to'),
    since: timeOf(wanted['since'] ?? oldest, 'since'),
    until: timeOf(wanted['until'] ?? Number.MAX_SAFE_INTEGER, 'until'),
    most: integerOf(wanted['most'] ?? standard.most, 'most'),
  };
}

/**
 * Stored readings as messages, by meter and rising number, read from the disk one at a time. Bytes that are no record any
 * more are passed over: there is nothing to show, and the next comparison names them.
 */
export async function* replay(held: HeldReadings, query: ReplayQuery): AsyncGenerator<ReadingMessage> {
  const { since, until, most } = query;
  let sent = 0;
  for await (const { bytes, received } of held.read(query)) {
    if (sent >= most) return;
    const record = recordOf(bytes);
    if (record === undefined) continue;
    const time = parseTime(record.time);
    if (time < since || time > until) continue;
    sent++;
    const isConflict = held.hashesOf(record.meter, record.seq).length > 1;
    yield readingMessage(record, received, isConflict, javascriptEngine.sha256(bytes));
  }
}

function integerOf(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    refuse(`\`${name}\` is no whole number`);
  }
  return value;
}

function timeOf(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) refuse(`\`${name}\` is no time`);
  return time;
}

function refuse(why: string): never {
  throw new MetersealError('misuse', `couldn't replay: ${why}`, {
    hint: 'msg.replay may have meter, from, to (numbers), since, until (times) and most.',
  });
}
