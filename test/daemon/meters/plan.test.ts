import type { PlannedRead } from 'meterseal/internal/meters/plan';
import { planReads } from 'meterseal/internal/meters/plan';
import type { Profile } from 'meterseal/internal/meters/profile';
import { loadProfile } from 'meterseal/internal/meters/profile-file';
import type { ProfileRegister } from 'meterseal/internal/meters/register';
import { spanOf, wordsOfType } from 'meterseal/internal/meters/register';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';

const BASE = loadProfile('eastron/sdm120');

function profileOf(
  addresses: readonly number[],
  most: number,
  fcOf: (at: number) => 3 | 4 = () => 4,
): Profile {
  const registers = addresses.map<ProfileRegister>((at, i) => ({
    ...BASE.registers[0]!,
    obis: `1-0:${i}.7.0`,
    at,
    fc: fcOf(at),
  }));
  return { ...BASE, limits: { registers: most, gap: 125, pauseMs: 0 }, registers };
}

const shapes = (plan: readonly PlannedRead[]): string[] => plan.map(({ fc, count }) => `${fc}/${count}`);

function neighboursDiffer(plan: readonly PlannedRead[]): boolean {
  const all = shapes(plan);
  return all.every((shape, i) => shape !== all[(i + 1) % all.length]);
}

t.test('gaps of up to nine registers are read along, wider ones are not', async (t) => {
  const sorted = (plan: readonly PlannedRead[]): string[] =>
    plan.map(({ at, count }) => `${at}+${count}`).sort();
  t.same(sorted(planReads(profileOf([0, 11], 80))), ['0+13']);
  t.same(sorted(planReads(profileOf([0, 12], 80))), ['0+2', '12+2']);
});

t.test('where nobody is known to have read across a gap, none is read along', async (t) => {
  const { limits, ...profile } = profileOf([0, 2, 5, 7, 20], 80);
  const plan = (gap: number): string[] =>
    planReads({ ...profile, limits: { ...limits, gap } })
      .map(({ at, count }) => `${at}+${count}`)
      .sort();
  t.same(plan(0), ['0+4', '20+2', '5+4']);
  t.same(plan(1), ['0+9', '20+2']);
});

t.test('a value and the power of ten that the meter scales it by come in one answer', async (t) => {
  const { limits, ...profile } = profileOf([0, 2, 4, 30], 20);
  const registers = profile.registers.map((register, i) => ({
    ...register,
    scaleAt: i < 3 ? 18 : undefined,
  }));
  const plan = planReads({ ...profile, limits: { ...limits, gap: 0 }, registers });
  t.same(
    [...plan].sort((a, b) => a.at - b.at),
    [
      { fc: 4, at: 0, count: 19 },
      { fc: 4, at: 30, count: 2 },
    ],
  );
  const narrow = planReads({
    ...profile,
    limits: { ...limits, registers: 17 },
    registers: registers.slice(1),
  });
  t.ok(
    registers
      .slice(1)
      .map(spanOf)
      .every(({ from, end }) => narrow.some(({ at, count }) => at <= from && end <= at + count)),
    'or once with each, where they do not fit together',
  );
});

t.test('registers on which sources disagree are read only if they are accepted', async (t) => {
  const profile = profileOf([0, 2, 4], 80);
  const doubtful = profile.registers.map(
    (register, i): ProfileRegister => (i === 2 ? { ...register, confidence: 'unproven' } : register),
  );
  t.same(planReads({ ...profile, registers: doubtful }), [{ fc: 4, at: 0, count: 4 }]);
  t.same(planReads({ ...profile, registers: doubtful }, true), [{ fc: 4, at: 0, count: 6 }]);
});

t.test(
  'a profile on which sources disagree altogether is not read at all until that is accepted',
  async (t) => {
    const pac1600 = loadProfile('siemens/pac1600');
    t.throws(() => planReads(pac1600), { code: 'misuse', hint: /accept-unproven: true/ });
    t.ok(planReads(pac1600, true).length > 0);
  },
);

t.test('no read is longer than the meter allows', async (t) => {
  const plan = planReads(profileOf([0, 2, 4, 6, 8, 10], 6));
  t.ok(plan.every(({ count }) => count <= 6));
  t.equal(
    plan.reduce((sum, { count }) => sum + count, 0),
    12,
  );
});

t.test('the plans of our profiles are the cheapest, and no two neighbours have one length', async (t) => {
  const sdm630 = planReads(loadProfile('eastron/sdm630'));
  t.same(
    [...sdm630].sort((a, b) => a.at - b.at),
    [
      { fc: 4, at: 0, count: 36 },
      { fc: 4, at: 52, count: 28 },
      { fc: 4, at: 234, count: 16 },
      { fc: 4, at: 342, count: 4 },
      { fc: 4, at: 358, count: 24 },
    ],
  );
  t.ok(neighboursDiffer(sdm630));
  const sdm120 = planReads(BASE);
  t.equal(sdm120.length, 4);
  t.ok(sdm120.every(({ count }) => count <= 20));
  t.ok(neighboursDiffer(sdm120));
});

t.test(
  'the twelve values of the measured example need the three reads of the limit by arithmetic',
  async (t) => {
    const plan = planReads(profileOf([0, 2, 4, 6, 8, 10, 12, 14, 16, 52, 70, 72], 80));
    t.same(
      [...plan].sort((a, b) => a.at - b.at),
      [
        { fc: 4, at: 0, count: 18 },
        { fc: 4, at: 52, count: 2 },
        { fc: 4, at: 70, count: 4 },
      ],
    );
  },
);

t.test('neighbours differ in length wherever an order of the reads allows it', async (t) => {
  const random = new SeededRandom(3);
  for (let n = 0; n < 500; n++) {
    const addresses = new Set<number>();
    for (let i = 0; i < 1 + random.below(30); i++) addresses.add(2 * random.below(400));
    const fcOf = (at: number): 3 | 4 => (at % 4 === 0 ? 3 : 4);
    const profile = profileOf([...addresses], 4 + random.below(40), fcOf);
    const plan = planReads(profile);
    for (const { fc, at, type } of profile.registers) {
      const covers = plan.filter(
        (read) => read.fc === fc && read.at <= at && at + wordsOfType(type) <= read.at + read.count,
      );
      if (covers.length !== 1) t.fail(`register ${fc}/${at} is read ${covers.length} times`);
    }
    if (plan.some(({ count }) => count > profile.limits.registers)) t.fail('a read is too long');
    const all = shapes(plan);
    const most = Math.max(...all.map((shape) => all.filter((other) => other === shape).length));
    if (2 * most <= all.length && !neighboursDiffer(plan)) t.fail(`${all.join(' ')} could be put apart`);
  }
  t.pass('500 profiles');
});

t.test('no cheaper cut exists', async (t) => {
  const random = new SeededRandom(4);
  const cost = (plan: readonly PlannedRead[]): number => plan.reduce((sum, { count }) => sum + 10 + count, 0);
  for (let n = 0; n < 200; n++) {
    const addresses = [...new Set(Array.from({ length: 8 }, () => 2 * random.below(30)))].sort(
      (a, b) => a - b,
    );
    const most = 4 + random.below(30);
    let best = Number.POSITIVE_INFINITY;
    // Every way to cut between neighbours, one bit each.
    for (let cuts = 0; cuts < 2 ** (addresses.length - 1); cuts++) {
      const reads: PlannedRead[] = [];
      let from = 0;
      for (let i = 1; i <= addresses.length; i++) {
        if (i < addresses.length && (cuts & (1 << (i - 1))) === 0) continue;
        reads.push({ fc: 4, at: addresses[from]!, count: addresses[i - 1]! + 2 - addresses[from]! });
        from = i;
      }
      const bridged = addresses.every(
        (at, i) => i === 0 || (cuts & (1 << (i - 1))) !== 0 || at - addresses[i - 1]! - 2 <= 9,
      );
      if (bridged && reads.every(({ count }) => count <= most)) best = Math.min(best, cost(reads));
    }
    if (cost(planReads(profileOf(addresses, most))) !== best) t.fail(`${addresses.join(' ')} under ${most}`);
  }
  t.pass('200 sets of registers');
});
