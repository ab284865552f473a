import { javascriptEngine } from '@meterseal/native';
import type { LeaseRequest } from '@meterseal/protocol';
import { fromHex } from '@meterseal/protocol';
import { LeaseGuard } from 'meterseal/internal/gate/lease-guard';
import t from 'tap';
import { vectorJson } from '../../protocol/vector.js';
import { COLLECTOR, leaseBytes, PLATFORM_ID, SECOND_COLLECTOR, STRANGER } from './gate-box.js';

const KEYS = [COLLECTOR.publicKey, SECOND_COLLECTOR.publicKey];
const newGuard = () => new LeaseGuard(PLATFORM_ID, KEYS, javascriptEngine);

t.test('a request of a configured collector is admitted, once', async (t) => {
  const guard = newGuard();
  const bytes = leaseBytes({ counter: 7 });
  t.match(guard.admit(bytes), { counter: 7, action: 'connect', purpose: 'comparison', max: 60_000 });
  t.equal(guard.admit(bytes), null, 'replayed');
  t.equal(guard.admit(leaseBytes({ counter: 6 })), null, 'an older one');
  t.match(guard.admit(leaseBytes({ counter: 8, action: 'release' })), { action: 'release' });
  t.match(
    guard.admit(leaseBytes({ counter: 1 }, SECOND_COLLECTOR)),
    { counter: 1 },
    'each key counts for itself',
  );
});

t.test("the request of the format's own example is admitted", async (t) => {
  const { messages, platformId, collectorKey } = vectorJson<{
    messages: { lease: { message: string; signature: string } };
    platformId: string;
    collectorKey: string;
  }>('messages-v0.json');
  const guard = new LeaseGuard(platformId, [fromHex(collectorKey)], javascriptEngine);
  const bytes = fromHex(messages.lease.message + messages.lease.signature);
  t.equal(bytes.length, guard.requestBytes);
  t.match(guard.admit(bytes), { counter: 7, action: 'connect' });
});

t.test('nothing else is', async (t) => {
  const guard = newGuard();
  const good = leaseBytes({ counter: 2 });
  const forged = leaseBytes({ counter: 2, collectorKey: COLLECTOR.publicKey }, STRANGER);
  const refused: [string, Uint8Array][] = [
    ['an unknown key', leaseBytes({}, STRANGER)],
    ["a known key over a stranger's signature", forged],
    ['another platform', leaseBytes({ platformId: 'meterseal.example/meterseal/box-8' })],
    ['a platform whose ID is longer', leaseBytes({ platformId: `${PLATFORM_ID}0` })],
    ['counter 0', leaseBytes({ counter: 0 })],
    ['no signature', good.slice(0, -64)],
    ['one byte less', good.slice(0, -1)],
    ['one byte more', Uint8Array.from([...good, 0])],
    ['nothing', new Uint8Array(0)],
  ];
  for (const [what, bytes] of refused) t.equal(guard.admit(bytes), null, what);
  for (let i = 0; i < good.length; i++) {
    const changed = good.slice();
    changed[i]! ^= 1 << (i % 8);
    if (guard.admit(changed) !== null) t.fail(`byte ${i} changed`);
  }
  t.match(guard.admit(good), { counter: 2 }, 'and none of that used the counter up');
});

t.test('a forged request costs no signature check and uses no counter', async (t) => {
  let verified = 0;
  const guard = new LeaseGuard(PLATFORM_ID, KEYS, {
    verify: (...of) => {
      verified++;
      return javascriptEngine.verify(...of);
    },
  });
  guard.admit(leaseBytes({}, STRANGER));
  t.equal(verified, 0);
  guard.admit(leaseBytes({ counter: 2 ** 40, collectorKey: COLLECTOR.publicKey }, STRANGER));
  t.equal(verified, 1);
  t.not(guard.admit(leaseBytes({ counter: 1 })), null);
});

t.test('a beginning that cannot become a request is known at its first wrong byte', async (t) => {
  const guard = newGuard();
  const good = leaseBytes();
  for (let length = 0; length <= good.length; length++) {
    if (!guard.mayBecomeRequest(good.subarray(0, length))) t.fail(`${length} good bytes`);
  }
  t.notOk(guard.mayBecomeRequest(new TextEncoder().encode('GET / HTTP/1.1')));
  t.notOk(guard.mayBecomeRequest(leaseBytes({ platformId: 'elsewhere/meterseal/1' }).subarray(0, 40)));
  t.notOk(guard.mayBecomeRequest(Uint8Array.from([...good, 1])));
});

t.test('a request that would not fit the control port is refused at the start', async (t) => {
  const longest: LeaseRequest['platformId'] = 'p'.repeat(255);
  t.ok(new LeaseGuard(longest, KEYS, javascriptEngine).requestBytes <= 512);
  t.throws(() => new LeaseGuard('p'.repeat(256), KEYS, javascriptEngine), { code: 'bad-argument' });
});
