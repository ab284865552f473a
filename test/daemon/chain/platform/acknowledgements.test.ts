import type { Acknowledgement } from '@meterseal/protocol';
import { concat, encodeAcknowledgement, RUNNING_HASH_START, signMessage } from '@meterseal/protocol';
import t from 'tap';
import type { TestMeter } from '../test-box.js';
import { collector, engine, PLATFORM_ID, TestBox } from '../test-box.js';

function signed(
  meter: TestMeter,
  seq: number,
  change: Partial<Acknowledgement> = {},
  key = collector,
): Uint8Array {
  const message = encodeAcknowledgement({
    platformId: PLATFORM_ID,
    meter: meter.ref,
    collectorKey: key.publicKey,
    first: 1,
    seq,
    runningHash: new Uint8Array(32).fill(seq),
    time: 1_700_000_000_000,
    ...change,
  });
  return signMessage(key, message);
}

t.test('acknowledgements reach the chain; heights never fall; the same again adds nothing', async (t) => {
  const box = await TestBox.start(t);
  const one = await box.enrolled('EM:1');
  const two = await box.enrolled('EM:2');
  const send = (...list: Uint8Array[]) =>
    box.postBytes<{ index: number }>('/v1/acknowledgements', concat(...list));
  const { index } = await send(signed(one, 5), signed(two, 3));
  const { size } = box.role.status();
  t.equal(index, size - 2);
  t.same(await send(signed(two, 3)), { index });
  t.equal(box.role.status().size, size);

  await t.rejects(send(signed(one, 4)), { code: 'acknowledgement-behind', status: 409 });
  await t.rejects(send(signed(two, 9), signed(one, 4)), { code: 'acknowledgement-behind' }, 'all or none');
  await t.rejects(send(signed(one, 8), signed(one, 7)), { code: 'acknowledgement-behind' });
  t.equal(box.role.status().size, size);
  await send(signed(one, 8));
  await box.restart();
  await t.rejects(send(signed(one, 7)), { code: 'acknowledgement-behind' }, 'also after a restart');
  t.ok(
    await send(signed(one, 10, { first: 11, runningHash: RUNNING_HASH_START })),
    'nothing held behind a gap',
  );
});

t.test('what no configured collector has signed for an enrolled meter is refused', async (t) => {
  const box = await TestBox.start(t);
  const meter = await box.enrolled('EM:1');
  const send = (bytes: Uint8Array) => box.postBytes('/v1/acknowledgements', bytes);
  const stranger = engine.generateKey();
  const { size } = box.role.status();
  await t.rejects(send(signed(meter, 1, {}, stranger)), { code: 'unauthorised', status: 401 });
  const forged = signed(meter, 1);
  forged[forged.length - 1]! ^= 1;
  await t.rejects(send(forged), { code: 'bad-signature', status: 403 });
  await t.rejects(send(signed(meter, 1, { platformId: 'other.example/meterseal/x' })), {
    code: 'bad-message',
  });
  const elsewhere = { subject: 9, commitment: meter.ref.commitment };
  await t.rejects(send(signed(meter, 1, { meter: elsewhere })), { code: 'unknown-meter', status: 404 });
  const unopened = { subject: 1, commitment: new Uint8Array(32) };
  await t.rejects(send(signed(meter, 1, { meter: unopened })), { code: 'unknown-meter' });
  await t.rejects(send(new Uint8Array(5)), { code: 'bad-message', status: 400 });
  await t.rejects(send(new Uint8Array(0)), { code: /^bad-/, status: 400 });
  t.equal(box.role.status().size, size);
});
