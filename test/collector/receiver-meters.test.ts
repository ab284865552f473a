import { concat, MAX_INTEGER, toBase64, toHex } from '@meterseal/protocol';
import t from 'tap';
import type { Reply } from './receiver-over-http.js';
import { acknowledgements, start, stored } from './receiver-over-http.js';
import { keyOf, SampleMeter } from './sample-meter.js';

t.test('a gap is stated right behind what is held, and the running hash starts anew behind it', async (t) => {
  const { ask, records, gaps, state } = await start(t);
  const meter = new SampleMeter('EM-1', 1);
  await ask('POST', '/v1/openings', [meter.opening()]);
  await records(meter.delivery(1, meter.records(1, 3)));
  t.equal((await gaps(meter.gap(5, 6))).code, 'delivery-gap');
  t.equal((await gaps(meter.gap(3, 6))).code, 'statement-refused');
  t.equal((await gaps(meter.gap(4, 6, 'lost-by-field', keyOf('else')))).code, 'statement-refused');
  t.equal(
    (await gaps(meter.gap(4, MAX_INTEGER))).code,
    'statement-refused',
    'a meter is not silenced for ever',
  );
  t.equal((await gaps(new Uint8Array(0))).code, 'bad-message');
  const ack = acknowledgements(t, await gaps(meter.gap(4, 6)))[0]!;
  t.strictSame([ack.first, ack.seq, toHex(ack.runningHash)], [7, 6, '0'.repeat(64)]);
  t.strictSame(await state('EM-1'), { first: 7, seq: 6, runningHash: toBase64(new Uint8Array(32)) });
  t.equal(acknowledgements(t, await gaps(meter.gap(4, 6)))[0]!.seq, 6, 'again');
  t.equal((await records(meter.delivery(1, meter.records(1, 3)))).code, 'statement-refused');
  const behind = acknowledgements(t, await records(meter.delivery(7, meter.records(7, 8))))[0]!;
  t.strictSame(
    [behind.first, behind.seq, toHex(behind.runningHash)],
    [7, 8, toHex(meter.lead(meter.records(7, 8)))],
  );
  t.equal(acknowledgements(t, await gaps(meter.gap(4, 6)))[0]!.seq, 8, 'and again later');
  const two = acknowledgements(
    t,
    await gaps(concat(meter.gap(9, 9), meter.gap(10, 12, 'dropped-by-policy'))),
  );
  t.strictSame(
    two.map(({ first, seq }) => [first, seq]),
    [[13, 12]],
  );
});

t.test('a meter keeps its subject and salt; a new identity key is a re-enrolment', async (t) => {
  const { ask, records } = await start(t);
  const meter = new SampleMeter('EM-1', 1);
  const open = (...openings: unknown[]): Promise<Reply> => ask('POST', '/v1/openings', openings);
  t.equal((await open(meter.opening())).status, 204);
  for (const [what, opening] of [
    ['another subject', meter.opening({ subject: 2 })],
    ['another salt', meter.opening({ salt: toBase64(new Uint8Array(16)) })],
    ['a subject that is taken', new SampleMeter('EM-2', 1).opening()],
  ] as const) {
    const reply = await open(opening);
    t.strictSame([reply.status, reply.code], [409, 'opening-conflict'], what);
  }
  t.equal(
    (await open(new SampleMeter('EM-5', 5).opening(), new SampleMeter('EM-6', 5).opening())).code,
    'opening-conflict',
  );
  t.equal((await ask('GET', '/v1/state?meter=EM-5')).code, 'unknown-meter', 'all of a request or nothing');
  for (const [what, body] of [
    ['no list', {}],
    ['an empty list', []],
    ['a key too many', [{ ...meter.opening(), name: 'x' }]],
    ['a key too few', [{ meter: 'EM-1', salt: '', subject: 1 }]],
    ['no object', [null]],
    ['a meter that is none', [meter.opening({ meter: 'a b' })]],
    ['a subject that is none', [meter.opening({ subject: 0 })]],
    ['a subject that is text', [{ ...meter.opening(), subject: '1' }]],
    ['a short salt', [meter.opening({ salt: 'AAAA' })]],
    ['a salt that is a number', [{ ...meter.opening(), salt: 5 }]],
    ['a key of small order', [meter.opening({ identityKey: toBase64(new Uint8Array(32)) })]],
  ] as const) {
    t.equal((await ask('POST', '/v1/openings', body)).status, 400, what);
  }
  await records(meter.delivery(1, meter.records(1, 2)));
  const before = meter.identity;
  meter.identity = keyOf('second');
  t.equal((await records(meter.delivery(1, meter.records(1, 3), 1))).code, 'statement-refused');
  t.equal((await open(meter.opening())).status, 204);
  t.equal((await records(meter.delivery(1, meter.records(1, 3), 1))).status, 200);
  meter.identity = before;
  t.equal((await records(meter.delivery(1, meter.records(1, 4), 1))).status, 200, 'the older key stays good');
});

t.test('deliveries at the same time are taken one after the other', async (t) => {
  const { dir, ask, records } = await start(t);
  const meters = Array.from({ length: 4 }, (_, i) => new SampleMeter(`EM-${i + 1}`, i + 1));
  await ask(
    'POST',
    '/v1/openings',
    meters.map((meter) => meter.opening()),
  );
  const replies = await Promise.all(
    meters.flatMap((meter) => [
      records(meter.delivery(1, meter.records(1, 5))),
      records(meter.delivery(1, meter.records(1, 5))),
    ]),
  );
  t.ok(replies.every(({ status }) => status === 200));
  t.equal(stored(dir).length, 20);
  t.equal(new Set(stored(dir)).size, 20);
});
