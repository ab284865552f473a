import { decodeRecord } from '@meterseal/protocol';
import type { StoredRecord } from '../agent/stored-record.js';

export type FieldMeterStatus = {
  readonly id: string;
  readonly bus: string;
  readonly unit: number;
  readonly state: 'new' | 'offered' | 'enrolled';
  /** Code of what keeps it from enrolling. */
  readonly problem: string | null;
  /** Code of what its last poll failed with. */
  readonly failure: string | null;
  readonly recordedTo: number;
  readonly anchoredTo: number;
  /** By each collector, in the order of the configuration. */
  readonly acknowledgedTo: readonly number[];
  /** The last reading of this process. */
  readonly last: {
    readonly seq: number;
    readonly time: string;
    readonly answered: boolean;
    readonly summary: string;
  } | null;
};

export type FieldStatus = {
  readonly software: string;
  readonly engine: string;
  readonly platformReachable: boolean;
  readonly meters: readonly FieldMeterStatus[];
};

/** A record as status tells it; null for none. */
export function lastReading(record: StoredRecord | undefined): FieldMeterStatus['last'] {
  if (record === undefined) return null;
  const { seq, time, values } = decodeRecord(record.bytes);
  const answered = values.some(({ value }) => value !== undefined);
  return { seq, time, answered, summary: summaryOf(values) };
}

/** What a person reads at a glance: energy and power where the meter has them. */
function summaryOf(values: readonly { obis: string; unit: string; value?: string }[]): string {
  const shown = ['1-0:1.8.0', '1-0:16.7.0', '1-0:1.7.0']
    .map((obis) => values.find((value) => value.obis === obis && value.value !== undefined))
    .filter((value) => value !== undefined)
    .map(({ value, unit }) => `${value} ${unit}`);
  return shown.length === 0 ? 'no answer' : shown.join('  ');
}
