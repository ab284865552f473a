import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fromPkcs8Pem } from '@meterseal/native';
import { equalBytes, MetersealError, toBase64 } from '@meterseal/protocol';
import type { EnrolmentTools } from 'meterseal/internal/agent/enrolment';
import { enrol, enrolledMeter } from 'meterseal/internal/agent/enrolment';
import t from 'tap';
import { engine } from '../chain/test-box.js';
import { FieldBench } from './field-bench.js';

const keyFile = (bench: FieldBench): string => join(bench.folder, 'keys', '1.key');
const keyOnDisk = (bench: FieldBench): Uint8Array =>
  engine.keyFromSeed(fromPkcs8Pem(readFileSync(keyFile(bench), 'utf8'))).publicKey;

async function enrolments(bench: FieldBench): Promise<object[]> {
  return (await bench.entries()).filter(({ type }) => type === 'enrolment');
}

/** Tools of which one call ends the process: before it does anything, or when it has done everything. */
function dyingAt(
  bench: FieldBench,
  part: 'keys' | 'store' | 'platform',
  call: string,
  when: 'before' | 'after',
): EnrolmentTools {
  const { tools } = bench;
  const dying = new Proxy(tools[part], {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== call) return value.bind(target);
      const died = new Error('the process died');
      return (...args: unknown[]): unknown => {
        if (when === 'before') throw died;
        const done: unknown = value.apply(target, args);
        if (!(done instanceof Promise)) throw died;
        return done.then(() => Promise.reject(died));
      };
    },
  });
  return { ...tools, [part]: dying };
}

t.test('a meter that is on the roster gets its identity, by the platform or of its own making', async (t) => {
  for (const keyOrigin of ['issued', 'own'] as const) {
    const bench = await FieldBench.start(t);
    bench.box.list('EM:1', 'code of EM:1');
    const { meter, identity, ref } = await enrol(bench.data('EM:1', { keyOrigin }), bench.tools);
    t.match(meter, { id: 'EM:1', state: 'enrolled', subject: 1, nextSeq: 1, nonce: null });
    t.match(await enrolments(bench), [
      {
        subject: 1,
        meterCommitment: ref.commitment,
        identityKey: identity.publicKey,
        keyOrigin,
        firstSeq: 1,
      },
    ]);
    t.same(keyOnDisk(bench), identity.publicKey);
    t.equal(statSync(keyFile(bench)).mode & 0o777, 0o600);
    t.same(readdirSync(join(bench.folder, 'keys')), ['1.key'], 'named by number, never by ID');
  }
});

t.test('whoever is enrolled stays who it is', async (t) => {
  const bench = await FieldBench.start(t);
  const first = await bench.meter('EM:1');
  await bench.restart();
  bench.proxy.isCut = true;
  const code = (): string => {
    throw new Error('the code is not needed any more');
  };
  const again = await enrol(bench.data('EM:1', { code }), bench.tools);
  t.same(again.identity.publicKey, first.identity.publicKey);
  t.same(again.ref, first.ref);
  t.equal((await enrolments(bench)).length, 1);
});

t.test('it can be interrupted at every step, and begun again with the same code', async (t) => {
  const steps = [
    ['platform', 'enrol'],
    ['keys', 'save'],
    ['store', 'saveOffer'],
    ['platform', 'confirm'],
    ['store', 'confirmEnrolment'],
  ] as const;
  for (const keyOrigin of ['issued', 'own'] as const) {
    for (const [part, call] of steps) {
      for (const when of ['before', 'after'] as const) {
        for (const platformToo of [false, true]) {
          const bench = await FieldBench.start(t);
          const data = bench.data('EM:1', { keyOrigin });
          bench.box.list('EM:1', 'code of EM:1');
          const name = `${keyOrigin}, ${when} ${call}${platformToo ? ', and the platform' : ''}`;
          await t.rejects(
            enrol(data, dyingAt(bench, part, call, when)),
            { message: 'the process died' },
            name,
          );
          await bench.restart();
          if (platformToo) await bench.box.restart();
          const { identity, meter } = await enrol(data, bench.tools);
          const [entry, ...more] = await enrolments(bench);
          t.same(more, [], name);
          t.match(entry, { subject: meter.subject, identityKey: identity.publicKey, keyOrigin });
          t.same(keyOnDisk(bench), identity.publicKey, 'the secret of the key that is enrolled is on disk');
          t.same(await bench.events('conflict'), []);
        }
      }
    }
  }
});

t.test('the secret is on disk before the platform hears the confirmation', async (t) => {
  const bench = await FieldBench.start(t);
  bench.box.list('EM:1', 'code of EM:1');
  const { held, release } = bench.proxy.hold('POST /v1/enrolments/confirm');
  const enrolling = enrol(bench.data('EM:1'), bench.tools);
  await held;
  const [entry] = await enrolments(bench);
  t.match(entry, { identityKey: keyOnDisk(bench) });
  release();
  await enrolling;
});

t.test('a lost answer at any step is no harm', async (t) => {
  for (const call of ['POST /v1/enrolments', 'POST /v1/enrolments/confirm']) {
    for (const loss of ['request', 'answer'] as const) {
      const bench = await FieldBench.start(t);
      bench.box.list('EM:1', 'code of EM:1');
      bench.proxy.lose(loss, call);
      await t.rejects(enrol(bench.data('EM:1'), bench.tools), { code: 'unreachable' });
      const { identity } = await enrol(bench.data('EM:1'), bench.tools);
      t.match(await enrolments(bench), [{ identityKey: identity.publicKey }]);
    }
  }
});

t.test('what the platform refuses is told with its code, and burns nothing', async (t) => {
  const bench = await FieldBench.start(t);
  await t.rejects(enrol(bench.data('EM:1'), bench.tools), { code: 'unknown-meter', status: 404 });
  bench.box.list('EM:1', 'code of EM:1');
  await t.rejects(enrol(bench.data('EM:1', { holder: { name: 'B. Other' } }), bench.tools), {
    code: 'wrong-holder',
  });
  await t.rejects(enrol(bench.data('EM:1', { code: () => 'guess' }), bench.tools), { code: 'wrong-code' });
  const missing = new MetersealError('file-missing', "couldn't read code");
  const code = (): string => {
    throw missing;
  };
  await t.rejects(enrol(bench.data('EM:1', { code }), bench.tools), missing);
  t.notOk(existsSync(keyFile(bench)));
  t.match(await bench.store.findMeter('EM:1'), { state: 'new' });
  await enrol(bench.data('EM:1'), bench.tools);
  t.equal((await enrolments(bench)).length, 1);

  const second = await FieldBench.start(t);
  const elsewhere = { ...second.tools, platform: bench.platform };
  await t.rejects(enrol(bench.data('EM:1'), elsewhere), { code: 'code-used' }, 'a second box is refused');
  t.same(await bench.events('conflict'), [{ kind: 'conflict', subject: 1, what: 'enrolment' }]);
});

t.test('an answer of the platform that is not sound is refused before anything is kept', async (t) => {
  const bench = await FieldBench.start(t);
  bench.box.list('EM:1', 'code of EM:1');
  const stranger = engine.generateKey().publicKey;
  const changes: [string, object, string][] = [
    ['another key than the offer holds', { publicKey: toBase64(stranger) }, 'bad-message'],
    ['no key', { publicKey: toBase64(new Uint8Array(32)) }, 'bad-key'],
    ['no offer', { offer: undefined }, 'bad-message'],
    ['an offer to somebody else', { offer: toBase64(new Uint8Array(104)) }, 'bad-message'],
    ['subject 0, which is the box', { subject: 0 }, 'bad-message'],
    ['a subject that does not fit', { subject: 2 ** 32 }, 'bad-message'],
    ['a short salt', { salt: toBase64(new Uint8Array(15)) }, 'bad-message'],
    ['a long nonce', { nonce: toBase64(new Uint8Array(33)) }, 'bad-message'],
  ];
  for (const [name, change, code] of changes) {
    const platform = new Proxy(bench.platform, {
      get: (target, call) =>
        call === 'enrol'
          ? async (request: Parameters<typeof target.enrol>[0]) => ({
              ...(await target.enrol(request)),
              ...change,
            })
          : Reflect.get(target, call),
    });
    await t.rejects(enrol(bench.data('EM:1'), { ...bench.tools, platform }), { code }, name);
    t.notOk(existsSync(keyFile(bench)), name);
    t.match(await bench.store.findMeter('EM:1'), { state: 'new' });
  }
});

t.test('a key file that is not the enrolled one is refused', async (t) => {
  const bench = await FieldBench.start(t);
  await bench.meter('EM:1');
  const { meter } = await bench.meter('EM:2');
  const seed = new Uint8Array(32).fill(9);
  bench.keys.save(meter.number, seed);
  t.throws(() => enrolledMeter(meter, bench.tools), { code: 'bad-key', hint: /backup/ });
  rmSync(join(bench.folder, 'keys', `${meter.number}.key`));
  t.throws(() => enrolledMeter(meter, bench.tools), { code: 'file-missing' });
  t.ok(equalBytes(seed, new Uint8Array(32).fill(9)));
});
