import { randomBytes } from 'node:crypto';
import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as engine } from '@meterseal/native';
import type { ComparisonResult } from '@meterseal/node-red-meterseal/core';
import { encodeSpoolFrame, isSpoolSegment } from '@meterseal/node-red-meterseal/core';
import type { VerifiedReading } from '@meterseal/protocol';
import {
  decodeRecord,
  encodeProof,
  encodeRecord,
  readingHash,
  SEAL_SIGNATURE_BYTES,
  toHex,
  verifyProof,
} from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { chainProof } from 'meterseal/internal/chain/prove';
import type { Touched } from 'meterseal/internal/commands/demo/insider';
import { changeOneValue, deleteOneRecord, inventOneRecord } from 'meterseal/internal/commands/demo/insider';
import t from 'tap';
import { recordOf } from './direct-meter.js';
import { INNER_METERS, InnerBox } from './inner-box.js';
import { Line, METERS } from './line.js';

const [FIRST, SECOND] = INNER_METERS as [string, string];

t.test('a comparison names exactly what an insider at the collector did', async (t) => {
  const line = await Line.complete(t, 5);
  const { collector } = line.state;
  t.match(await line.box.compare(), { outcome: 'judged', readings: 15, verified: 15, tampered: [] });

  const expected: (Touched & { reason: string; accused: 'collector' })[] = [];
  for (const [what, reason, edit] of [
    ['a changed value', 'hash-differs', () => changeOneValue(collector, METERS[0]!)],
    ['a deleted record', 'missing-at-collector', () => deleteOneRecord(collector, METERS[1]!)],
    ['an invented record', 'not-in-chain', () => inventOneRecord(collector, METERS[2]!, randomBytes(16))],
  ] as const) {
    await line.box.stopCollector();
    expected.push({ ...edit(), reason, accused: 'collector' });
    await line.box.startCollector();
    const { outcome, tampered, unverifiable, verified, readings } = await line.box.compare();
    t.strictSame(
      { outcome, tampered, unverifiable },
      { outcome: 'judged', tampered: expected, unverifiable: [] },
      what,
    );
    t.equal(verified, readings - expected.length, 'everything else is verified');
  }
});

t.test('a platform that invents a reading or a session is found out and named', async (t) => {
  const box = await InnerBox.start(t, { mostReadings: 4 });
  await box.settled(4);
  t.match((await box.collector.compare()).counts, { verified: 8, tampered: 0, unverifiable: 0 });
  const forger = engine.generateKey();
  const reading = recordOf(FIRST, 5, '99999.00');
  const sealed = recordOf(SECOND, 5, '99999.00');
  const seal = (record: Uint8Array): Uint8Array => forger.seal(record).slice(0, SEAL_SIGNATURE_BYTES);
  const subjects = { [FIRST]: await subjectOf(box, FIRST), [SECOND]: await subjectOf(box, SECOND) };

  // Whoever has the platform in hand can append what its own rules let through: numbers, order, an acceptance.
  await box.chain.append((draft) => {
    const first = draft.state.subjects.get(subjects[FIRST]!)!;
    draft.add({
      ...{ type: 'reading', subject: first.subject, seq: 5, session: first.session },
      ...{ hash: readingHash(engine, reading), sealSignature: seal(reading) },
    });
    const subject = subjects[SECOND]!;
    const messageHash = engine.sha256(new Uint8Array(1));
    const authentication = draft.add({
      ...{ type: 'authentication', subject, seq: 0, result: 'accepted', reason: 'none', messageHash },
    });
    const session = draft.state.lastSession + 1;
    draft.add({
      ...{ type: 'session', subject, seq: session, authentication, sessionKey: forger.publicKey },
      ...{ expires: draft.time + 86_400_000, signature: forger.sign(messageHash) },
    });
    draft.add({
      ...{ type: 'reading', subject, seq: 5, session },
      ...{ hash: readingHash(engine, sealed), sealSignature: seal(sealed) },
    });
  });

  await t.test('no proof of them is verified', async (t) => {
    await t.rejects(verify(box, FIRST, 5, reading), { code: 'proof-invalid', message: /seal the record/ });
    await t.rejects(verify(box, SECOND, 5, sealed), {
      code: 'proof-invalid',
      message: /sign the session's key/,
    });
  });

  await t.test('the invented session is named at once, the invented reading is not believed', async (t) => {
    const result = await box.collector.compare();
    t.strictSame(named(result), [
      `${FIRST} 5 not-yet-received`,
      `${SECOND} 0 sequence-broken session-invalid by platform`,
      `${SECOND} 5 sequence-broken session-invalid by platform`,
    ]);
    t.equal(result.counts.verified, 8, 'everything else is verified');
  });

  await t.test('a collector that holds the invented record too names the platform', async (t) => {
    await box.whileCollectorIsClosed((folder) => plant(folder, [reading, sealed]));
    const result = await box.collector.compare();
    t.strictSame(named(result), [
      `${FIRST} 5 sequence-broken seal-invalid by platform`,
      `${SECOND} 0 sequence-broken session-invalid by platform`,
      `${SECOND} 5 sequence-broken session-invalid by platform`,
    ]);
    t.equal(result.counts.verified, 8, 'everything else is verified');
  });
});

t.test('a box that delivers one thing and anchors another convicts itself', async (t) => {
  // The field's outbox, patched: reading 3 of the first meter goes out with another value, and with hashes that fit.
  const { pending } = FieldStore.prototype;
  const delivered: Uint8Array[] = [];
  t.intercept(FieldStore.prototype, 'pending', {
    value: async function (this: FieldStore, ...args: Parameters<typeof pending>) {
      const records = await pending.apply(this, args);
      return records.map((stored) => {
        const record = decodeRecord(new Uint8Array(stored.bytes));
        if (record.meter !== FIRST || record.seq !== 3) return stored;
        const values = record.values.map((value, i) => (i === 0 ? { ...value, value: '1.000' } : value));
        const bytes = encodeRecord({ ...record, values });
        delivered.push(bytes);
        return { ...stored, bytes, hash: readingHash(engine, bytes) };
      });
    },
  });
  const box = await InnerBox.start(t, { mostReadings: 4 });
  await box.settled(4);

  const result = await box.collector.compare();
  t.strictSame(named(result), [`${FIRST} 3 equivocation by box`]);
  t.match(result.counts, { verified: 7, tampered: 1, unverifiable: 0 });

  const anchored = (await box.store((store) => store.record(1, 3)))!;
  const good = await verify(box, FIRST, 3, new Uint8Array(anchored.bytes));
  t.equal(toHex(readingHash(engine, good.recordBytes)), toHex(new Uint8Array(anchored.hash)));
  await t.rejects(verify(box, FIRST, 3, delivered[0]!), {
    code: 'proof-invalid',
    message: /seal the record/,
  });
});

/** What a comparison named: reading, reason, what is wrong with the chain, and who has to answer for it. */
function named({ findings }: ComparisonResult): string[] {
  return findings.map(({ meter, seq, reason, flaw, accused }) =>
    [meter, seq, reason, flaw, accused === undefined ? undefined : `by ${accused}`]
      .filter((part) => part !== undefined)
      .join(' '),
  );
}

async function subjectOf(box: InnerBox, meter: string): Promise<number> {
  return (await box.store((store) => store.findMeter(meter)))!.subject!;
}

/** The proof that this platform can make of a reading, verified by the policy. */
async function verify(
  box: InnerBox,
  meter: string,
  seq: number,
  record: Uint8Array,
): Promise<VerifiedReading> {
  const { subject, salt } = (await box.store((store) => store.findMeter(meter)))!;
  const chain = await chainProof(box.state.chainDatabase, { subject: subject!, seq }, engine);
  const proof = encodeProof({ record, meter, salt: new Uint8Array(salt!), subject: subject!, ...chain });
  return verifyProof(engine, box.policy, proof);
}

/** Puts records into a collector's spool, with checksums made right. */
function plant(collectorFolder: string, records: readonly Uint8Array[]): void {
  const folder = join(collectorFolder, 'spool');
  const segment = readdirSync(folder).filter(isSpoolSegment).sort().at(-1)!;
  for (const record of records)
    appendFileSync(join(folder, segment), encodeSpoolFrame({ received: Date.now(), record }));
}
