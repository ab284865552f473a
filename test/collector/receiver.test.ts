import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { StoredReading } from '@meterseal/node-red-meterseal/core';
import type { RecordsAnswer } from '@meterseal/protocol';
import {
  concat,
  decodeSigned,
  encodeDeliveryGroup,
  fromBase64,
  isSignedBy,
  readDelivery,
  toBase64,
  toHex,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { acknowledgements, start, stored } from './receiver-over-http.js';
import { keyOf, SampleMeter } from './sample-meter.js';

t.test('a delivery is stored, acknowledged with the same running hash, and told by the state', async (t) => {
  const told: StoredReading[] = [];
  const { dir, ask, records, state } = await start(t, (readings) => {
    told.push(...readings);
    throw new Error('who watches must not disturb');
  });
  const meters = [new SampleMeter('EM-1', 1), new SampleMeter('EM-2', 2)];
  t.equal(
    (
      await ask(
        'POST',
        '/v1/openings',
        meters.map((meter) => meter.opening()),
      )
    ).status,
    204,
  );
  t.equal(
    (
      await ask(
        'POST',
        '/v1/openings',
        meters.map((meter) => meter.opening()),
      )
    ).status,
    204,
    'again',
  );
  t.strictSame(await state('EM-1'), { first: 1, seq: 0, runningHash: toBase64(new Uint8Array(32)) });
  const body = concat(...meters.map((meter) => meter.delivery(1, meter.records(1, 3))));
  const reply = await records(body);
  t.equal(reply.status, 200);
  t.strictSame((reply.body as RecordsAnswer).conflicts, []);
  for (const [i, ack] of acknowledgements(t, reply).entries()) {
    t.equal(ack.meter.subject, i + 1);
    t.strictSame([ack.first, ack.seq], [1, 3]);
    t.equal(toHex(ack.runningHash), toHex(meters[i]!.lead(meters[i]!.records(1, 3))));
  }
  t.equal(stored(dir).length, 6);
  t.strictSame(
    told.map(({ record }) => `${record.meter} ${record.seq}`),
    ['EM-1 1', 'EM-1 2', 'EM-1 3', 'EM-2 1', 'EM-2 2', 'EM-2 3'],
  );
  const shown = await state('EM-2');
  t.strictSame([shown.first, shown.seq], [1, 3]);
  const statement = decodeSigned(fromBase64(shown.statement!), readDelivery);
  t.ok(isSignedBy(crypto, meters[1]!.identity.publicKey, statement));
  t.strictSame([statement.value.to, toBase64(statement.value.runningHash)], [3, shown.runningHash]);
});

t.test(
  'nothing is planted: every delivery needs the word of the meter’s own identity key, for us',
  async (t) => {
    const { dir, ask, records } = await start(t);
    const meter = new SampleMeter('EM-1', 1);
    const other = new SampleMeter('EM-2', 2);
    await ask('POST', '/v1/openings', [meter.opening(), other.opening()]);
    const all = meter.records(1, 2);
    const group = (statement: Uint8Array, list = all): Uint8Array => encodeDeliveryGroup(statement, list);
    const bare = Buffer.concat(
      all.map((record) =>
        Buffer.concat([Buffer.from([0, 0, record.length >> 8, record.length & 255]), record]),
      ),
    );
    const stranger = new SampleMeter('EM-3', 3);
    for (const [what, body, status, code] of [
      ['no statement', new Uint8Array(bare), 400, 'bad-message'],
      ['another meter’s statement', group(other.statement(1, all)), 403, 'statement-refused'],
      [
        'another meter’s key',
        group(meter.statement(1, all, { signer: other.identity })),
        403,
        'statement-refused',
      ],
      [
        'a session key',
        group(meter.statement(1, all, { signer: keyOf('session') })),
        403,
        'statement-refused',
      ],
      [
        'for another collector',
        group(meter.statement(1, all, { collectorKey: keyOf('else').publicKey })),
        403,
        'statement-refused',
      ],
      [
        'of another platform',
        group(meter.statement(1, all, { platformId: 'other.example/meterseal/x' })),
        403,
        'statement-refused',
      ],
      [
        'of another commitment',
        group(meter.statement(1, all, { ref: { subject: 1, commitment: other.commitment } })),
        403,
        'statement-refused',
      ],
      ['an unknown meter', stranger.delivery(1, stranger.records(1, 1)), 404, 'unknown-meter'],
      [
        'another running hash',
        group(meter.statement(1, all, { runningHash: new Uint8Array(32).fill(1) })),
        403,
        'statement-refused',
      ],
      [
        'another first number',
        group(meter.statement(2, meter.records(2, 3)), meter.records(2, 3)),
        403,
        'statement-refused',
      ],
      [
        'a number beyond the statement',
        group(meter.statement(1, all), [...all, meter.record(3)]),
        403,
        'statement-refused',
      ],
      ['a number too few', group(meter.statement(1, meter.records(1, 3)), all), 409, 'delivery-gap'],
      ['the first one left out', group(meter.statement(1, all), [all[1]!]), 409, 'delivery-gap'],
      ['out of order', group(meter.statement(1, all), [all[1]!, all[0]!]), 409, 'delivery-gap'],
      [
        'another meter’s record',
        group(meter.statement(1, all), [all[0]!, other.record(2)]),
        403,
        'statement-refused',
      ],
      ['no record', group(meter.statement(1, all), [all[0]!, utf8('{}')]), 400, 'bad-record'],
      [
        'not canonical',
        group(meter.statement(1, all), [all[0]!, utf8(`${Buffer.from(all[1]!)} `)]),
        400,
        'bad-record',
      ],
      [
        'two statements of one meter',
        concat(group(meter.statement(1, all)), group(meter.statement(1, all))),
        400,
        'bad-message',
      ],
      [
        'a good group beside a bad one',
        concat(group(meter.statement(1, all)), other.delivery(2, other.records(2, 2))),
        403,
        'statement-refused',
      ],
      ['nothing', new Uint8Array(0), 400, 'bad-message'],
    ] as const) {
      const reply = await records(body);
      t.strictSame([reply.status, reply.code], [status, code], what);
      t.strictSame(stored(dir), [], what);
    }
    t.equal((await records(group(meter.statement(1, all)))).status, 200);
  },
);

t.test('each byte of a statement counts', async (t) => {
  const { ask, records, dir } = await start(t);
  const meter = new SampleMeter('EM-1', 1);
  await ask('POST', '/v1/openings', [meter.opening()]);
  const statement = meter.statement(1, meter.records(1, 1));
  for (let i = 0; i < statement.length; i++) {
    const changed = statement.slice();
    changed[i] = changed[i]! ^ 1;
    const reply = await records(encodeDeliveryGroup(changed, meter.records(1, 1)));
    if (reply.status === 200) t.fail(`byte ${i} may be changed`);
  }
  t.strictSame(stored(dir), []);
});

t.test('the same again is answered again, and stored once', async (t) => {
  const { dir, ask, records } = await start(t);
  const meter = new SampleMeter('EM-1', 1);
  await ask('POST', '/v1/openings', [meter.opening()]);
  const body = meter.delivery(1, meter.records(1, 5));
  const first = acknowledgements(t, await records(body))[0]!;
  const size = readFileSync(join(dir, 'deliveries')).length;
  const second = acknowledgements(t, await records(body))[0]!;
  t.strictSame({ ...second, time: 0 }, { ...first, time: 0 });
  t.equal(stored(dir).length, 5);
  t.equal(readFileSync(join(dir, 'deliveries')).length, size);
  // Cut into other batches, as after a restart of the field.
  for (const to of [2, 3]) {
    const ack = acknowledgements(t, await records(meter.delivery(1, meter.records(1, to))))[0]!;
    t.equal(ack.seq, 5, 'what is held does not shrink');
  }
  const more = acknowledgements(t, await records(meter.delivery(1, meter.records(1, 7), 4)))[0]!;
  t.equal(more.seq, 7);
  t.equal(stored(dir).length, 7);
  const lie = meter.statement(1, [meter.record(1), meter.record(2, '0.1')]);
  const reply = await records(encodeDeliveryGroup(lie, [meter.record(1)]));
  t.equal(reply.code, 'statement-refused', 'a statement below the height must be true too');
});

t.test('other bytes for a held number are kept beside it, and reported', async (t) => {
  const { dir, ask, records } = await start(t);
  const meter = new SampleMeter('EM-1', 1);
  await ask('POST', '/v1/openings', [meter.opening()]);
  const all = meter.records(1, 3);
  await records(meter.delivery(1, all));
  const second = meter.voidRecord(2, all[1]);
  const statement = meter.statement(1, all);
  const reply = await records(encodeDeliveryGroup(statement, [second]));
  t.equal(reply.status, 200);
  t.strictSame((reply.body as RecordsAnswer).conflicts, [{ meter: 'EM-1', seq: 2 }]);
  t.equal(
    toHex(acknowledgements(t, reply)[0]!.runningHash),
    toHex(meter.lead(all)),
    'it does not enter the running hash',
  );
  t.equal(stored(dir).length, 4);
  const again = await records(encodeDeliveryGroup(statement, [second]));
  t.strictSame((again.body as RecordsAnswer).conflicts, []);
  const both = await records(meter.delivery(1, meter.records(1, 4), 1, [meter.voidRecord(4)]));
  t.strictSame((both.body as RecordsAnswer).conflicts, [{ meter: 'EM-1', seq: 4 }]);
  for (let i = 0; i < 14; i++) {
    t.equal(
      (
        await records(
          encodeDeliveryGroup(meter.statement(1, meter.records(1, 4)), [meter.record(3, `${i}.7`)]),
        )
      ).status,
      200,
    );
  }
  const full = meter.records(1, 4).concat();
  t.equal(
    (await records(encodeDeliveryGroup(meter.statement(1, full), [meter.record(3, '99.7')]))).status,
    200,
  );
  t.equal(
    (await records(encodeDeliveryGroup(meter.statement(1, full), [meter.record(3, '99.8')]))).code,
    'conflict',
  );
});
