import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { JudgedFinding } from '@meterseal/node-red-meterseal/core';
import { payloadOf } from '@meterseal/node-red-meterseal/internal/controllers/reading-message';
import { examine, Judgement } from '@meterseal/node-red-meterseal/internal/controllers/verification';
import { decodeRecord, toHex } from '@meterseal/protocol';
import t from 'tap';
import { SampleMeter } from '../collector/sample-meter.js';
import { finding, resultOf } from './sample-result.js';

const meter = new SampleMeter('EM-1', 1);
const AT = Date.UTC(2026, 0, 3);

/** What is held: one version of each number, unless more are given. */
function heldOf(more: Readonly<Record<number, readonly Uint8Array[]>> = {}) {
  return (_meter: string, seq: number): Uint8Array[] =>
    (more[seq] ?? [meter.record(seq)]).map((bytes) => crypto.sha256(bytes));
}

function message(bytes: Uint8Array) {
  const reading = decodeRecord(bytes);
  return { reading, payload: payloadOf(reading) };
}

t.test('what nothing is found of is verified', async (t) => {
  const verification = new Judgement(resultOf(3, []), heldOf(), AT).of(examine(message(meter.record(2))));
  t.match(verification, {
    verdict: 'verified',
    reason: 'verified',
    hash: toHex(crypto.sha256(meter.record(2))),
    size: 40,
    checkedAt: '2026-01-03T00:00:00.000Z',
  });
});

t.test('what is found of a reading is said of its message, and of no other', async (t) => {
  const judgement = new Judgement(resultOf(3, [finding(2, 'hash-differs', 'collector')]), heldOf(), AT);
  t.match(judgement.of(examine(message(meter.record(2)))), {
    verdict: 'tampered',
    reason: 'hash-differs',
    accused: 'collector',
  });
  t.match(judgement.of(examine(message(meter.record(1)))), { verdict: 'verified' });
});

t.test('a reading that is not the one held was made or changed by the flow', async (t) => {
  const judgement = new Judgement(resultOf(3, []), heldOf(), AT);
  const changed = message(meter.record(2, '99'));
  t.match(judgement.of(examine(changed)), { verdict: 'tampered', reason: 'hash-differs', accused: 'flow' });
  const none = { reading: { meter: 'EM-1' }, payload: {} };
  t.match(judgement.of(examine(none)), { verdict: 'tampered', reason: 'hash-differs', accused: 'flow' });
  for (const reading of [null, 7, 'text', []]) {
    t.match(judgement.of(examine({ reading })), { verdict: 'tampered', accused: 'flow' });
  }
});

t.test('a payload that is not the one of the reading any more is named', async (t) => {
  const judgement = new Judgement(resultOf(3, []), heldOf(), AT);
  const { reading } = message(meter.record(2));
  const said = (payload: unknown) => judgement.of(examine({ reading, payload })).reason;
  t.equal(said({ '1.8.0': 2.6 }), 'payload-differs');
  t.equal(said({}), 'payload-differs');
  t.equal(said({ '1.8.0': 2.5, '1.7.0': 1 }), 'payload-differs');
  t.equal(said('two and a half'), 'verified', 'a text is the own business of the flow');
});

t.test('where nothing was judged the outcome is said of every reading', async (t) => {
  const judgement = new Judgement(resultOf(3, [], 'platform-unreachable'), heldOf(), AT);
  t.match(judgement.of(examine(message(meter.record(2)))), {
    verdict: 'unverifiable',
    reason: 'platform-unreachable',
  });
});

/** What is said of two versions of a number, of which the chain has the second. */
function saidOf(first: Uint8Array, second: Uint8Array, reason: JudgedFinding['reason']) {
  const held = heldOf({ 2: [first, second] });
  const hashes = { held: crypto.sha256(first), chain: crypto.sha256(second) };
  const judgement = new Judgement(resultOf(4, [finding(2, reason, undefined, hashes)]), held, AT);
  return [first, second].map((bytes) => judgement.of(examine(message(bytes))));
}

t.test(
  'of two versions the one that the chain has is verified, and what is found speaks of the other',
  async (t) => {
    const replaced = meter.record(2);
    const voided = meter.voidRecord(2, replaced);
    t.match(saidOf(replaced, voided, 'refused-by-platform'), [
      { verdict: 'unverifiable', reason: 'refused-by-platform', chainHash: toHex(crypto.sha256(voided)) },
      { verdict: 'verified', chainHash: toHex(crypto.sha256(voided)) },
    ]);
    t.match(saidOf(meter.record(2, '99'), meter.record(2), 'hash-differs'), [
      { verdict: 'tampered', reason: 'hash-differs' },
      { verdict: 'verified' },
    ]);
  },
);

t.test(
  'where the store was changed the message of before is verified, and one of what is stored now is not',
  async (t) => {
    const changed = meter.record(2, '99');
    const hashes = { held: crypto.sha256(changed), chain: crypto.sha256(meter.record(2)) };
    const result = resultOf(3, [finding(2, 'hash-differs', 'collector', hashes)]);
    const judgement = new Judgement(result, heldOf(), AT);
    t.match(judgement.of(examine(message(meter.record(2)))), { verdict: 'verified' });
    t.match(judgement.of(examine(message(changed))), { reason: 'hash-differs', accused: 'collector' });
  },
);
