import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine } from '@meterseal/native/javascript';
import { isMetersealError, toBase64 } from '@meterseal/protocol';
import { parseConfig, readConfig } from 'meterseal/internal/config/config';
import type { Test } from 'tap';
import t from 'tap';
import { temporaryFolder } from '../host/temporary-folder.js';

/** JSON is YAML. */
const stringify = (config: unknown): string => JSON.stringify(config);
const KEYS = [1, 2].map((byte) => javascriptEngine.keyFromSeed(new Uint8Array(32).fill(byte)).publicKey);

/** A folder with the key files that `FULL` names. */
function folderWithKeys(t: Test): string {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'collector'));
  writeFileSync(join(folder, 'collector', 'collector.pub'), `${toBase64(KEYS[0]!)}\n`);
  writeFileSync(join(folder, 'other.pub'), toBase64(KEYS[1]!));
  return folder;
}

const SITE = { operator: 'grid.example', box: 'substation-7' };
const METER = {
  id: 'EM-0001',
  unit: 1,
  profile: 'eastron/sdm630',
  holder: { name: 'A. Holder' },
  'code-file': 'codes/EM-0001',
};

const FULL = {
  site: { ...SITE, log: 'warn' },
  field: {
    interval: '30s',
    timeout: '250ms',
    session: 'per-transmission',
    buses: [
      {
        address: 'rtu:///dev/ttyUSB0?baud=9600&parity=none&stop=1',
        meters: [
          { ...METER, identity: 'own', 'accept-unproven': true },
          { ...METER, id: 'EM-0002', unit: 2, profile: 'eastron/sdm120', holder: {} },
        ],
      },
      { address: 'tcp://10.0.0.5:502', meters: [{ ...METER, id: 'EM-0003' }] },
    ],
  },
  chain: { sessions: { life: '1h', readings: 500 } },
  gate: { control: '0.0.0.0:7500', 'comparison-port': 7501, 'max-lease': '90s' },
  collectors: [
    {
      url: 'https://collector.example:8443/meterseal',
      'key-file': 'collector/collector.pub',
      'token-file': 'token',
      'ca-file': '/etc/ssl/own-ca.pem',
    },
    { url: 'http://127.0.0.1:7421', 'key-file': 'other.pub' },
  ],
};

t.test('every key is read; durations are milliseconds, paths start from the folder of the file', (t) => {
  const folder = folderWithKeys(t);
  const config = parseConfig(stringify(FULL), folder);
  const meter = {
    id: 'EM-0001',
    unit: 1,
    profile: 'eastron/sdm630',
    holder: { name: 'A. Holder' },
    codeFile: join(folder, 'codes/EM-0001'),
    identity: 'issued',
    acceptUnproven: false,
  };
  t.same(config, {
    platformId: 'grid.example/meterseal/substation-7',
    log: 'warn',
    field: {
      intervalMs: 30_000,
      timeoutMs: 250,
      session: 'per-transmission',
      buses: [
        {
          address: 'rtu:///dev/ttyUSB0?baud=9600&parity=none&stop=1',
          meters: [
            { ...meter, identity: 'own', acceptUnproven: true },
            { ...meter, id: 'EM-0002', unit: 2, profile: 'eastron/sdm120', holder: {} },
          ],
        },
        { address: 'tcp://10.0.0.5:502', meters: [{ ...meter, id: 'EM-0003' }] },
      ],
    },
    chain: { sessionLifeMs: 3_600_000, sessionReadings: 500 },
    gate: {
      control: { host: '0.0.0.0', port: 7500 },
      comparison: { host: '0.0.0.0', port: 7501 },
      maxLeaseMs: 90_000,
    },
    collectors: [
      {
        url: 'https://collector.example:8443/meterseal',
        key: KEYS[0],
        tokenFile: join(folder, 'token'),
        caFile: '/etc/ssl/own-ca.pem',
      },
      { url: 'http://127.0.0.1:7421', key: KEYS[1] },
    ],
  });
  t.end();
});

t.test('all but the site has a default', (t) => {
  t.same(parseConfig(stringify({ site: SITE }), '/'), {
    platformId: 'grid.example/meterseal/substation-7',
    log: 'info',
    field: { intervalMs: 15_000, timeoutMs: 1_000, session: 'reused', buses: [] },
    chain: { sessionLifeMs: 86_400_000, sessionReadings: 10_000 },
    gate: {
      control: { host: '127.0.0.1', port: 7411 },
      comparison: { host: '127.0.0.1', port: 0 },
      maxLeaseMs: 60_000,
    },
    collectors: [],
  });
  t.same(
    parseConfig(stringify({ site: SITE, field: {}, chain: { sessions: {} }, gate: {}, collectors: [] }), '/'),
    parseConfig(stringify({ site: SITE }), '/'),
    'empty parts are like none',
  );
  t.end();
});

t.test('a file is read from its place, and its paths from there', (t) => {
  const folder = folderWithKeys(t);
  const path = join(folder, 'meterseal.yaml');
  writeFileSync(path, stringify(FULL));
  t.equal(readConfig(path).field.buses[0]!.meters[0]!.codeFile, join(folder, 'codes/EM-0001'));
  t.throws(() => readConfig(join(folder, 'none.yaml')), { code: 'file-missing', hint: /--config/ });
  t.end();
});

/** `value` set at `path` in a copy of FULL; undefined takes it away. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(FULL) as Record<string, unknown>;
  const parts = path.split('.');
  const last = parts.pop()!;
  let place: Record<string, unknown> = copy;
  for (const part of parts) place = place[part] as Record<string, unknown>;
  if (value === undefined) delete place[last];
  else place[last] = value;
  return copy;
}

/** What the refusal says behind "couldn't read configuration: ". */
function refusalOf(read: () => unknown): string {
  try {
    read();
    return 'accepted';
  } catch (error) {
    if (!isMetersealError(error, 'bad-config')) throw error;
    if (error.hint === undefined) return 'no hint';
    return error.message.replace("couldn't read configuration: ", '');
  }
}

const REFUSALS: [place: string, value: unknown, said: string | RegExp][] = [
  // unknown keys, with their path
  ['sites', {}, 'unknown key "sites"'],
  ['site.name', 'x', 'site: unknown key "name"'],
  ['field.intervals', '15s', 'field: unknown key "intervals"'],
  ['field.buses.0.speed', 9600, 'field.buses[0]: unknown key "speed"'],
  ['field.buses.0.meters.1.serial', 'x', 'field.buses[0].meters[1]: unknown key "serial"'],
  ['chain.life', '1h', 'chain: unknown key "life"'],
  ['chain.sessions.lives', '1h', 'chain.sessions: unknown key "lives"'],
  ['gate.driver', 'process', 'gate: unknown key "driver"'],
  ['collectors.1.token', 'secret', 'collectors[1]: unknown key "token"'],
  // missing
  ['site', undefined, 'site is missing'],
  ['site.operator', undefined, 'site: operator is missing'],
  ['site.box', undefined, 'site: box is missing'],
  ['field.buses.0.address', undefined, 'field.buses[0]: address is missing'],
  ['field.buses.0.meters', undefined, 'field.buses[0]: meters is missing'],
  ...['id', 'unit', 'profile', 'holder', 'code-file'].map((key): [string, undefined, string] => [
    `field.buses.1.meters.0.${key}`,
    undefined,
    `field.buses[1].meters[0]: ${key} is missing`,
  ]),
  ['collectors.0.url', undefined, 'collectors[0]: url is missing'],
  ['collectors.0.key-file', undefined, 'collectors[0]: key-file is missing'],
  // wrong types
  ['site', 'grid.example', 'site: must be object'],
  ['site.operator', 7, 'site.operator: must be string'],
  ['field.interval', 15, 'field.interval: must be string'],
  ['field.buses', {}, 'field.buses: must be array'],
  ['field.buses.0.meters.0.unit', '1', 'field.buses[0].meters[0].unit: must be integer'],
  ['field.buses.0.meters.0.unit', 1.5, 'field.buses[0].meters[0].unit: must be integer'],
  ['field.buses.0.meters.0.accept-unproven', 'yes', /accept-unproven: must be boolean$/],
  ['field.buses.0.meters.0.holder.name', 7, 'field.buses[0].meters[0].holder.name: must be string'],
  ['field.buses.0.meters.0.holder', null, 'field.buses[0].meters[0].holder: must be object'],
  ['chain.sessions.readings', '500', 'chain.sessions.readings: must be integer'],
  ['collectors', { url: 'x' }, 'collectors: must be array'],
  // values that are none
  [
    'site.operator',
    'localhost',
    'site.operator: "localhost" is not a domain name in lower case, such as grid.example',
  ],
  ['site.operator', 'Grid.Example', /^site\.operator: "Grid\.Example" is not a domain name/],
  ['site.operator', `${'a.'.repeat(60)}example`, /^site\.operator: must NOT have more than 120 characters/],
  ['site.box', 'box/7', /^site\.box: "box\/7" is not a name of 1 to 40/],
  ['site.box', 'x'.repeat(41), /^site\.box: /],
  ['site.log', 'verbose', 'site.log: must be one of debug, info, warn, error, silent'],
  ['field.session', 'always', 'field.session: must be one of reused, per-transmission'],
  ['field.buses.0.meters', [], 'field.buses[0].meters: must NOT have fewer than 1 items'],
  ['field.buses.0.meters.0.id', 'EM 1', /meters\[0\]\.id: "EM 1" is not a meter ID/],
  ['field.buses.0.meters.0.id', 'x'.repeat(65), /is not a meter ID/],
  ['field.buses.0.meters.0.unit', 0, 'field.buses[0].meters[0].unit: must be >= 1'],
  ['field.buses.0.meters.0.unit', 1e12, 'field.buses[0].meters[0].unit: must be <= 999999999998'],
  [
    'field.buses.0.meters.0.profile',
    '../../etc/passwd',
    /profile: ".*" is not a profile, manufacturer\/model$/,
  ],
  ['field.buses.0.meters.0.profile', 'sdm630', /is not a profile/],
  ['field.buses.0.meters.0.identity', 'pinned', /identity: must be one of issued, own$/],
  ['field.buses.0.meters.0.code-file', '', /code-file: must NOT have fewer than 1 characters$/],
  [
    'field.buses.0.meters.0.holder',
    { note: 'ü'.repeat(256), ...holderOf(31) },
    /holder: .* bytes, at most 4096 allowed$/,
  ],
  ['field.buses.0.meters.0.holder', holderOf(33), /holder: must NOT have more than 32 properties$/],
  ['chain.sessions.readings', 0, 'chain.sessions.readings: must be >= 1'],
  // durations
  [
    'field.interval',
    '15',
    'field.interval: "15" is not a duration with its unit, such as 250ms, 15s, 5m, 24h',
  ],
  ['field.interval', '15 s', /is not a duration/],
  ['field.interval', '0s', /is not a duration/],
  ['field.interval', '-5s', /is not a duration/],
  ['field.interval', '1.5s', /is not a duration/],
  ['field.interval', '5w', /is not a duration/],
  ['field.interval', '99ms', 'field.interval: 99ms is not between 100ms and 1d'],
  ['field.interval', '2d', 'field.interval: 2d is not between 100ms and 1d'],
  ['field.timeout', '19ms', 'field.timeout: 19ms is not between 20ms and 1m'],
  ['field.timeout', '61s', 'field.timeout: 61s is not between 20ms and 1m'],
  ['chain.sessions.life', '999ms', 'chain.sessions.life: 999ms is not between 1s and 30d'],
  ['chain.sessions.life', '31d', 'chain.sessions.life: 31d is not between 1s and 30d'],
  ['gate.max-lease', '500ms', 'gate.max-lease: 500ms is not between 1s and 1h'],
  ['gate.max-lease', '2h', 'gate.max-lease: 2h is not between 1s and 1h'],
  // addresses
  ['gate.control', '7411', 'gate.control: "7411" is not HOST:PORT'],
  ['gate.control', '127.0.0.1', 'gate.control: "127.0.0.1" is not HOST:PORT'],
  ['gate.control', '127.0.0.1:65536', 'gate.control: "127.0.0.1:65536" is not HOST:PORT'],
  ['gate.control', '::1:7411', 'gate.control: "::1:7411" is not HOST:PORT'],
  ['gate.control', ':7411', 'gate.control: ":7411" is not HOST:PORT'],
  ['gate.control', 'a b:1', 'gate.control: "a b:1" is not HOST:PORT'],
  [
    'field.buses.0.address',
    'http://10.0.0.5',
    /^field\.buses\[0\]\.address: .*neither tcp:\/\/ nor rtu:\/\/$/,
  ],
  ['field.buses.0.address', 'rtu:///dev/ttyS0?baud=7', /^field\.buses\[0\]\.address: .*baud=7$/],
  ['field.buses.1.address', 'tcp://10.0.0.5:0', /^field\.buses\[1\]\.address: .*port 0$/],
  [
    'collectors.0.url',
    'collector.example',
    /^collectors\[0\]\.url: .* is not https:\/\/HOST\[:PORT\]\[\/PATH\]$/,
  ],
  ['collectors.0.url', 'ftp://collector.example', /^collectors\[0\]\.url: /],
  [
    'collectors.0.url',
    'https://u:p@collector.example',
    /^collectors\[0\]\.url: user, password, query and fragment/,
  ],
  ['collectors.0.url', 'https://collector.example/?token=x', /^collectors\[0\]\.url: user, password, query/],
  ['collectors.0.url', 'http://collector.example', 'collectors[0].url: http:// goes to this machine only'],
  ['collectors.0.url', 'http://127.0.0.1.example', 'collectors[0].url: http:// goes to this machine only'],
  ['collectors.0.url', 'http://10.0.0.9:7421', 'collectors[0].url: http:// goes to this machine only'],
  // things that are there twice
  ['field.buses.0.meters.1.id', 'EM-0001', 'field.buses[0].meters[1].id: meter EM-0001 is there already'],
  ['field.buses.1.meters.0.id', 'EM-0002', 'field.buses[1].meters[0].id: meter EM-0002 is there already'],
  ['field.buses.0.meters.1.unit', 1, 'field.buses[0].meters[1].unit: unit 1 of this bus is taken already'],
  [
    'field.buses.1.address',
    'rtu:///dev/ttyUSB0?baud=19200',
    'field.buses[1].address: /dev/ttyUSB0 is a bus already',
  ],
  [
    'collectors.1.key-file',
    'collector/collector.pub',
    /^collectors\[1\]\.key-file: a collector with this key/,
  ],
];

function holderOf(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`key${i}`, 'x'.repeat(120)]));
}

t.test('what does not belong there is refused, with its place and a hint', (t) => {
  const folder = folderWithKeys(t);
  for (const [place, value, said] of REFUSALS) {
    const refusal = refusalOf(() => parseConfig(stringify(changed(place, value)), folder));
    const name = `${place} = ${JSON.stringify(value)?.slice(0, 40)}`;
    if (typeof said === 'string') t.equal(refusal, said, name);
    else t.match(refusal, said, name);
  }
  t.end();
});

t.test('what is on the border is taken', (t) => {
  const folder = folderWithKeys(t);
  const good: [string, unknown][] = [
    ['field.interval', '100ms'],
    ['field.interval', '24h'],
    ['field.timeout', '60s'],
    ['chain.sessions.life', '30d'],
    ['gate.max-lease', '1h'],
    ['gate.control', 'localhost:0'],
    ['gate.control', '[fe80::1]:65535'],
    ['field.buses.0.meters.0.unit', 247],
    ['field.buses.0.meters.0.unit', 112_233_445_566],
    ['field.buses.0.meters.0.holder', { Straße: 'Küstenweg 7', '': 'x' }],
    ['site.operator', 'a.b-c.example'],
    ['site.box', 'x'.repeat(40)],
    ['field.buses.1.meters.0.unit', 1],
    ['collectors.1.url', 'http://[::1]:7421/base'],
    ['collectors.1.url', 'http://localhost:7421'],
  ];
  for (const [place, value] of good) {
    t.equal(
      refusalOf(() => parseConfig(stringify(changed(place, value)), folder)),
      'accepted',
      place,
    );
  }
  t.end();
});

t.test('more meters than one transmission can carry are refused', (t) => {
  const buses = Array.from({ length: 5 }, (_, b) => ({
    address: `tcp://10.0.0.${b}:502`,
    meters: Array.from({ length: 201 }, (_, m) => ({ ...METER, id: `EM-${b}-${m}`, unit: m + 1 })),
  }));
  const text = stringify({ site: SITE, field: { buses } });
  t.equal(
    refusalOf(() => parseConfig(text, '/')),
    'field.buses: 1005 meters, at most 1000 are possible',
  );
  t.end();
});

t.test('what is not one plain YAML document is refused', (t) => {
  const site = 'site: { operator: grid.example, box: b }\n';
  const texts: [string, RegExp][] = [
    ['', /^must be object$/],
    ['- a\n', /^must be object$/],
    ['just text', /^must be object$/],
    [`${site}${site}`, /^Map keys must be unique/],
    [`${site}field: { interval: 15s, interval: 30s }\n`, /^Map keys must be unique/],
    ['site: { operator: [\n', /./],
    [`${site}---\n${site}`, /multiple documents/],
    [`a: &a { interval: 15s }\n${site}field: *a\n`, /^aliases are not taken/],
    [`${site}gate: !custom { control: "127.0.0.1:1" }\n`, /^Unresolved tag: !custom/],
    ['\tsite: x\n', /./],
    [`${site}# ${'x'.repeat(5_000_000)}`, /^more than 4194304 bytes$/],
    [`${site}__proto__: { polluted: true }\n`, /^unknown key "__proto__"$/],
    [`${site}field: { constructor: x }\n`, /^field: unknown key "constructor"$/],
  ];
  for (const [text, said] of texts) {
    const refusal = refusalOf(() => parseConfig(text, '/'));
    t.match(refusal, said, JSON.stringify(text.slice(0, 60)));
    t.notMatch(refusal, /\n/);
  }
  t.notOk('polluted' in {});
  t.equal(
    parseConfig('site: { operator: grid.example, box: "7" }', '/').platformId,
    'grid.example/meterseal/7',
  );
  t.equal(
    refusalOf(() => parseConfig('site: { operator: grid.example, box: 7 }', '/')),
    'site.box: must be string',
    'a number is no text',
  );
  t.end();
});

t.test("a collector's key is one canonical key of prime order in a file that is there", (t) => {
  const folder = folderWithKeys(t);
  const text = stringify(FULL);
  const path = join(folder, 'other.pub');
  writeFileSync(path, `\n${toBase64(KEYS[1]!)}\n\n`);
  t.ok(parseConfig(text, folder), 'white space around it does not matter');
  for (const content of ['', 'not base64', toBase64(KEYS[1]!).slice(0, 40), toBase64(new Uint8Array(32))]) {
    writeFileSync(path, content);
    t.match(
      refusalOf(() => parseConfig(text, folder)),
      /^collectors\[1\]\.key-file: /,
      content,
    );
  }
  t.throws(() => parseConfig(text, join(folder, 'elsewhere')), {
    code: 'file-missing',
    message: /collectors\[0\]\.key-file: .*elsewhere\/collector\/collector\.pub cannot be opened/,
    hint: /collector\.pub/,
  });
  t.end();
});
