import { readdirSync, readFileSync } from 'node:fs';
import { isMetersealError } from '@meterseal/protocol';
import { Ajv } from 'ajv';
import JSON5 from 'json5';
import { loadRelayProfile, parseRelayProfile } from 'meterseal/internal/gate/relay/profile';
import t from 'tap';

const FOLDER = new URL('../../../../../hw-profiles/', import.meta.url);
const RELAYS = new URL('relays/', FOLDER);
const OURS = readdirSync(RELAYS).flatMap((maker) =>
  readdirSync(new URL(`${maker}/`, RELAYS)).map((file) => `${maker}/${file.replace(/\.json5$/, '')}`),
);
const fitsSchema = new Ajv({ strict: true }).compile(
  JSON.parse(readFileSync(new URL('relay.schema.json', FOLDER), 'utf8')),
);

const FACT = { source: 'manual', confidence: 'proven' };
const GOOD = {
  name: 'example/board',
  title: 'Example board',
  line: { baud: 9600, data: 8, parity: 'none', stop: 1 },
  unit: 1,
  coils: { at: 0, count: 8, ...FACT },
  pulse: { at: 512, unitMs: 100, most: 32_767, ...FACT },
  inputs: { at: 0, count: 8, ...FACT },
};
const parse = (profile: unknown): unknown => parseRelayProfile(JSON.stringify(profile), 'example/board');

t.test('our profiles are in order, for the parser and for the schema', async (t) => {
  t.ok(OURS.includes('waveshare/modbus-rtu-relay-d-8ch') && OURS.length >= 3);
  for (const name of OURS) {
    t.equal(loadRelayProfile(name).name, name);
    const file = JSON5.parse(readFileSync(new URL(`${name}.json5`, RELAYS), 'utf8'));
    t.ok(fitsSchema(file), `${name}: ${JSON.stringify(fitsSchema.errors)}`);
  }
});

t.test('what the boards are told is what their makers document', async (t) => {
  t.match(loadRelayProfile('waveshare/modbus-rtu-relay-8ch'), {
    ...{ unit: 1, line: { baud: 9600, parity: 'none', stop: 1 } },
    ...{ coils: { at: 0, count: 8 }, pulse: { at: 0x0200, unitMs: 100 }, inputs: undefined },
  });
  t.match(loadRelayProfile('lctech/modbus-relay-8ch'), { unit: 255, pulse: undefined, inputs: { at: 0 } });
});

t.test('every bad profile is refused with its path, by the parser and by the schema', async (t) => {
  t.ok(fitsSchema(GOOD));
  t.match(parse(GOOD), { name: 'example/board', pulse: { at: 512, unitMs: 100, most: 32_767 } });
  for (const [path, change] of [
    ['unit', { unit: 0 }],
    ['unit', { unit: 256 }],
    ['coils.count', { coils: { ...GOOD.coils, count: 0 } }],
    ['coils.at', { coils: { ...GOOD.coils, at: -1 } }],
    ['coils.source', { coils: { at: 0, count: 8, confidence: 'proven' } }],
    ['inputs.confidence', { inputs: { ...GOOD.inputs, confidence: 'sure' } }],
    ['pulse.unitMs', { pulse: { ...GOOD.pulse, unitMs: 0 } }],
    ['pulse.most', { pulse: { ...GOOD.pulse, most: 65_536 } }],
    ['pulse.word', { pulse: { ...GOOD.pulse, word: 2 } }],
    ['line.parity', { line: { ...GOOD.line, parity: 'mark' } }],
    ['title', { title: 'a\u0007bell' }],
    ['relay', { relay: {} }],
  ] as const) {
    const bad = { ...GOOD, ...change };
    try {
      parse(bad);
      t.fail(`${path} was taken`);
    } catch (error) {
      t.ok(isMetersealError(error, 'bad-profile') && error.message.includes(`: ${path}: `), String(error));
    }
    t.notOk(fitsSchema(bad), `${path}: ${JSON.stringify(change)}`);
  }
  t.throws(() => parseRelayProfile(JSON.stringify(GOOD), 'example/other'), { code: 'bad-profile' });
});
