import { readFileSync } from 'node:fs';
import { isMetersealError } from '@meterseal/protocol';
import { Ajv } from 'ajv';
import JSON5 from 'json5';
import { profileFolder } from 'meterseal/internal/host/data-file';
import { planReads } from 'meterseal/internal/meters/plan';
import { parseProfile, readingRegisters } from 'meterseal/internal/meters/profile';
import { loadProfile, profileNames } from 'meterseal/internal/meters/profile-file';
import t from 'tap';
import { BAD, GOOD, GOOD_DATA } from './profile-corpus.js';

const FOLDER = new URL('../../../../hw-profiles/', import.meta.url);
const OURS = profileNames();

const schema = JSON.parse(readFileSync(new URL('profile.schema.json', FOLDER), 'utf8'));
const fitsSchema = new Ajv({ strict: true }).compile(schema);

const good = (): typeof GOOD => structuredClone(GOOD);
const parsed = (profile: unknown): ReturnType<typeof parseProfile> =>
  parseProfile(JSON.stringify(profile), 'example/meter');

t.test('our profiles are in order, for the parser and for the schema', async (t) => {
  t.ok(OURS.length >= 54, `${OURS.length} profiles`);
  t.ok(OURS.includes('eastron/sdm630') && OURS.includes('finder/7m.24'));
  t.notOk(OURS.some((name) => name.startsWith('relays')));
  for (const name of OURS) {
    const profile = loadProfile(name);
    t.match(profile.id, new RegExp(`^${name}@[0-9a-f]{16}$`));
    const file = JSON5.parse(readFileSync(new URL(`${name}.json5`, FOLDER), 'utf8'));
    t.ok(fitsSchema(file), `${name}: ${JSON.stringify(fitsSchema.errors)}`);
    t.ok(planReads(profile, true).length > 0, `${name} can be read`);
  }
});

t.test('where sources disagree the file says on what', async (t) => {
  for (const name of OURS) {
    if (readingRegisters(loadProfile(name)).length === loadProfile(name).registers.length) continue;
    const text = readFileSync(new URL(`${name}.json5`, FOLDER), 'utf8');
    t.match(text, /\/\/ (Sources disagree|Doubtful|Not every variant)/, name);
  }
});

t.test('the registers of some meters are the documented ones', async (t) => {
  const addresses = (name: string, obis: string): number[] =>
    readingRegisters(loadProfile(name))
      .filter((register) => register.obis === obis)
      .map(({ at }) => at);
  t.same(addresses('eastron/sdm120', '1-0:1.8.0'), [72]);
  t.same(addresses('eastron/sdm120', '1-0:14.7.0'), [70]);
  t.same(addresses('eastron/sdm630', '1-0:16.7.0'), [52]);
  t.same(addresses('eastron/sdm630', '1-0:14.7.0'), [], 'sources disagree on its scale');
  t.same(addresses('eastron/sdm630', '1-0:21.8.0'), [], 'sources disagree on which is import');
  t.same(addresses('eastron/sdm630', '1-0:13.7.0'), [], 'sources disagree on its address');
  t.same(addresses('abb/b23', '1-0:1.8.0'), [0x5000]);
  t.same(addresses('janitza/umg96rm-e', '1-0:2.8.0'), [19_076]);
  t.same(addresses('chint/dtsu666', '1-0:1.8.0'), [], 'sources disagree on its address');
  t.same(addresses('siemens/pac1600', '1-0:16.7.0'), [], 'sources disagree on its function code');
});

t.test('every bad profile is refused, with the path and the reason', async (t) => {
  for (const { what, text, path, why } of BAD) {
    try {
      parseProfile(text, 'example/meter');
      t.fail(`${what} was taken`);
    } catch (error) {
      const isRight =
        isMetersealError(error, 'bad-profile') && error.message.includes(path) && error.message.includes(why);
      t.ok(isRight && error.hint, `${what}: ${String(error)}`);
    }
  }
  t.equal(({} as Record<string, unknown>)['a'], undefined, 'no prototype was touched');
});

t.test('schema and parser agree, but for what a schema cannot say', async (t) => {
  t.ok(fitsSchema(good()));
  t.ok(fitsSchema(GOOD_DATA), 'data too');
  t.match(parsed(GOOD_DATA).registers[0], { fc: 3, at: 1, data: { identifier: '00010000', bytes: 4 } });
  for (const { what, text, beyondSchema } of BAD) {
    if (beyondSchema) continue;
    t.notOk(fitsSchema(JSON5.parse(text)), what);
  }
});

t.test('what only the parser can say is truly beyond the schema', async (t) => {
  for (const { what, text, beyondSchema } of BAD) {
    if (!beyondSchema || /JSON5|nest|huge/.test(what)) continue;
    t.ok(fitsSchema(JSON5.parse(text)), `${what}: ${JSON.stringify(fitsSchema.errors)}`);
  }
});

t.test('names that are no names never become paths', async (t) => {
  for (const name of [
    '../eastron/sdm630',
    'eastron/../eastron/sdm630',
    '/etc/passwd',
    'eastron',
    'eastron/sdm630/x',
    'Eastron/sdm630',
    'eastron/.hidden',
    'eastron/sdm630\u0000',
    '',
    '__proto__/x',
    `a/${'x'.repeat(60)}`,
  ]) {
    try {
      loadProfile(name);
      t.fail(`${name} was taken`);
    } catch (error) {
      t.ok(isMetersealError(error, 'unknown-profile'), JSON.stringify(name));
    }
  }
  t.throws(() => loadProfile('eastron/sdm999'), { code: 'unknown-profile' });
});

t.test('a link in the place of a profile is not followed', async (t) => {
  const folder = t.testdir({
    example: {
      'meter.json5': t.fixture('symlink', '../other.json5'),
      'real.json5': JSON.stringify({ ...good(), name: 'example/real' }),
    },
    'other.json5': JSON.stringify(good()),
  });
  t.throws(() => loadProfile('example/meter', folder), { code: 'unknown-profile' });
  t.equal(loadProfile('example/real', folder).name, 'example/real');
});

/** Gives the first register a further property, where it belongs in the order. */
function furnish(
  profile: typeof GOOD,
  property: { scaler: object } | { scaleAt: number } | { missing: string },
): void {
  const { source, confidence, ...register } = profile.registers[0]!;
  Object.assign(profile.registers, { 0: { ...register, ...property, source, confidence } });
}

t.test('the digest changes with what changes meaning, and with nothing else', async (t) => {
  const { id } = parsed(good());
  const meaning: ((profile: typeof GOOD) => void)[] = [
    (profile) => Object.assign(profile.registers[0]!, { at: 74 }),
    (profile) => Object.assign(profile.registers[0]!, { fc: 3 }),
    (profile) => Object.assign(profile.registers[0]!, { type: 'uint32' }),
    (profile) => Object.assign(profile.registers[0]!, { wordOrder: 'little' }),
    (profile) => Object.assign(profile.registers[0]!, { unit: 'Wh' }),
    (profile) => Object.assign(profile.registers[0]!, { decimals: 2 }),
    (profile) => Object.assign(profile.registers[0]!, { obis: '1-0:2.8.0' }),
    (profile) => furnish(profile, { scaler: { mantissa: 10, exponent: 0 } }),
    (profile) => furnish(profile, { scaler: { mantissa: -1, exponent: 0 } }),
    (profile) => furnish(profile, { missing: 'ffffffff' }),
    (profile) => {
      Object.assign(profile.registers[0]!, { type: 'uint32' });
      furnish(profile, { scaleAt: 80 });
    },
    (profile) => Object.assign(profile.identity.serial, { at: 0 }),
    (profile) => Reflect.deleteProperty(profile, 'identity'),
    (profile) => profile.registers.pop(),
  ];
  const ids = meaning.map((change) => {
    const profile = good();
    change(profile);
    return parsed(profile).id;
  });
  t.equal(new Set([id, ...ids]).size, meaning.length + 1);
  const rest: ((profile: typeof GOOD) => void)[] = [
    (profile) => profile.registers.reverse(),
    (profile) => Object.assign(profile, { title: 'Another title', phases: 3 }),
    (profile) => Object.assign(profile.registers[0]!, { source: 'somebody', confidence: 'single-source' }),
    (profile) => Object.assign(profile.identity.serial, { confidence: 'unproven' }),
    (profile) => Reflect.deleteProperty(profile, 'line'),
    (profile) => furnish(profile, { scaler: { mantissa: 1, exponent: 0 } }),
    (profile) => Object.assign(profile.limits, { registers: 60, gap: 0, pauseMs: 0 }),
    (profile) => Object.assign(profile.line, { baud: 1200 }),
  ];
  for (const change of rest) {
    const profile = good();
    change(profile);
    t.equal(parsed(profile).id, id);
  }
});

t.test('registers are in the order of the numbers of their OBIS codes', async (t) => {
  t.same(
    parsed(good()).registers.map(({ obis }) => obis),
    ['1-0:1.8.0', '1-0:16.7.0'],
  );
});

t.test('registers on which sources disagree are left out unless they are accepted', async (t) => {
  t.same(
    readingRegisters(parsed(good())).map(({ obis }) => obis),
    ['1-0:1.8.0'],
  );
  t.equal(readingRegisters(parsed(good()), true).length, 2);
});

t.test('a line has what a source gives, and no more', async (t) => {
  t.same(parsed({ ...good(), line: { parity: 'even', source: 'manual' } }).line, { parity: 'even' });
  const { line: _, ...without } = good();
  t.same(parsed(without).line, {});
});

t.test('a meter may keep its serial number as text', async (t) => {
  const profile = good();
  const serial = { fc: 3, at: 20_480, type: 'text', words: 7, source: 'manual', confidence: 'single-source' };
  t.same(parsed({ ...profile, identity: { serial } }).serial, serial);
  t.ok(fitsSchema({ ...profile, identity: { serial } }));
  t.not(parsed({ ...profile, identity: { serial } }).id, parsed(profile).id);
});

t.test('the profiles are found from wherever the daemon is installed', async (t) => {
  t.ok(profileFolder().endsWith('hw-profiles'));
});
