import {
  payloadOf,
  readingMessage,
  recordOf,
} from '@meterseal/node-red-meterseal/internal/controllers/reading-message';
import { decodeRecord, utf8 } from '@meterseal/protocol';
import t from 'tap';
import { SampleMeter } from '../collector/sample-meter.js';

const meter = new SampleMeter('EM-1', 1);

t.test('values are numbers by OBIS code, and what is missing has no key', async (t) => {
  const values = [
    { obis: '1-0:1.8.0', unit: 'kWh', value: '12345.678' },
    { obis: '1-0:2.8.0', unit: 'kWh', value: '-0.5', quality: 'implausible' },
    { obis: '1-0:32.7.0', unit: 'V', quality: 'missing' },
    { obis: '1-1:1.8.0', unit: 'kWh', value: '7' },
  ] as const;
  const record = decodeRecord(meter.record(1, '1', { values }));
  t.same(payloadOf(record), { '1.8.0': 12345.678, '2.8.0': -0.5, '1-1:1.8.0': 7 });
});

t.test('a void record has an empty payload', async (t) => {
  t.same(payloadOf(decodeRecord(meter.voidRecord(3))), {});
});

t.test('a message carries the record untouched', async (t) => {
  const record = decodeRecord(meter.record(4));
  const message = readingMessage(record, Date.UTC(2026, 0, 2), false, new Uint8Array(32).fill(171));
  t.equal(message.reading, record);
  t.same(message.collector, {
    receivedAt: '2026-01-02T00:00:00.000Z',
    conflict: false,
    hash: 'ab'.repeat(32),
  });
});

t.test('bytes that are no record any more are none', async (t) => {
  t.equal(recordOf(utf8('{"v":0}')), undefined);
  t.equal(recordOf(meter.record(5))?.seq, 5);
});
