/** A profile that is in order; every bad one differs from it in one thing. */
export const GOOD = {
  name: 'example/meter',
  title: 'Example meter',
  phases: 1,
  line: { baud: 9600, data: 8, parity: 'none', stop: 1, source: 'manual' },
  limits: { registers: 20, gap: 9, pauseMs: 5 },
  identity: {
    serial: {
      fc: 3,
      at: 64_512,
      type: 'uint32',
      wordOrder: 'big',
      source: 'manual, other map',
      confidence: 'proven',
    },
  },
  registers: [
    {
      obis: '1-0:1.8.0',
      fc: 4,
      at: 72,
      type: 'float32',
      wordOrder: 'big',
      unit: 'kWh',
      decimals: 3,
      source: 'manual, other map',
      confidence: 'proven',
    },
    {
      obis: '1-0:16.7.0',
      fc: 4,
      at: 12,
      type: 'int32',
      wordOrder: 'little',
      unit: 'W',
      decimals: 1,
      scaler: { mantissa: 1, exponent: -1 },
      source: 'manual',
      confidence: 'unproven',
    },
  ],
};

export interface BadProfile {
  readonly what: string;
  readonly text: string;
  /** What the message has to say. */
  readonly path: string;
  readonly why: string;
  /** True for what only the parser sees, such as two registers in one place. */
  readonly beyondSchema?: boolean;
}

/** One that speaks DL/T 645. */
export const GOOD_DATA = {
  name: 'example/meter',
  title: 'Example meter',
  phases: 3,
  limits: { registers: 4, gap: 0, pauseMs: 20 },
  registers: [
    {
      obis: '1-0:1.8.0',
      data: '00010000',
      type: 'bcd32',
      unit: 'kWh',
      decimals: 2,
      source: 'standard',
      confidence: 'single-source',
    },
    {
      obis: '1-0:16.7.0',
      data: '02030000',
      type: 'sbcd24',
      unit: 'kW',
      decimals: 4,
      source: 'standard',
      confidence: 'single-source',
    },
  ],
};

type Change = (profile: typeof GOOD & Record<string, unknown>) => void;

function changed(what: string, change: Change, path: string, why: string, beyondSchema = false): BadProfile {
  const profile = structuredClone(GOOD);
  change(profile);
  return { what, text: JSON.stringify(profile), path, why, beyondSchema };
}

function changedData(
  what: string,
  change: (profile: typeof GOOD_DATA & Record<string, unknown>) => void,
  path: string,
  why: string,
  beyondSchema = false,
): BadProfile {
  const profile = structuredClone(GOOD_DATA);
  change(profile);
  return { what, text: JSON.stringify(profile), path, why, beyondSchema };
}

const set =
  (path: string, value: unknown): Change =>
  (profile) => {
    const keys = path.split('.');
    const last = keys.pop()!;
    let at = profile as Record<string, unknown>;
    for (const key of keys) at = at[key] as Record<string, unknown>;
    if (value === undefined) delete at[last];
    else at[last] = value;
  };

const replaced = (
  what: string,
  from: string,
  to: string,
  path: string,
  why: string,
  beyondSchema = false,
): BadProfile => ({
  what,
  text: JSON.stringify(GOOD).replace(from, to),
  path,
  why,
  beyondSchema,
});

const setData = (changes: Record<string, unknown>): ((profile: typeof GOOD_DATA) => void) => {
  return (profile) => {
    const [first] = profile.registers;
    // In the order of properties: what is out of it would be refused for that.
    const keys = ['obis', 'fc', 'at', 'data', 'type', 'wordOrder', 'unit', 'decimals', 'scaler', 'missing'];
    const all: Record<string, unknown> = { ...first, ...changes };
    const ordered = [...keys, 'source', 'confidence'].flatMap((key) => (key in all ? [[key, all[key]]] : []));
    profile.registers[0] = Object.fromEntries(ordered) as (typeof profile.registers)[0];
  };
};

export const BAD: readonly BadProfile[] = [
  ...['0001000', '000100000', '0001ff00', 'ff010000', '00AA0000', '', 65_536].map((data) =>
    changedData(`the identifier ${JSON.stringify(data)}`, setData({ data }), 'registers[0].data', ''),
  ),
  changedData('data at a register', setData({ at: 1 }), 'registers[0].at', 'data has none'),
  changedData('data by a function code', setData({ fc: 3 }), 'registers[0].fc', 'data has none'),
  changedData('digits in an order', setData({ wordOrder: 'big' }), 'registers[0].wordOrder', 'data has none'),
  changedData(
    'digits with a scaler',
    setData({ scaler: { mantissa: 1, exponent: 0 } }),
    'registers[0].scaler',
    'data has none',
  ),
  changedData('a mark in digits', setData({ missing: 'ffffffff' }), 'registers[0].missing', 'data has none'),
  changedData('data in bits', setData({ type: 'uint32' }), 'registers[0].type', 'not one of'),
  changedData('an identifier twice', setData({ data: '02030000' }), '.data', 'stands in registers', true),
  changedData(
    'data and registers in one meter',
    (profile) => {
      Object.assign(profile, { registers: [profile.registers[0], GOOD.registers[1]] });
    },
    'registers[1]',
    'either Modbus or DL/T 645',
    true,
  ),
  changedData(
    'a value that does not fit the limits',
    (profile) => Object.assign(profile.limits, { registers: 3 }),
    'registers[0].type',
    'limits.registers is 3',
    true,
  ),
  changedData(
    'a serial number in registers of a meter without',
    (profile) => {
      const { name, title, phases, limits, registers } = profile;
      for (const key of Object.keys(profile)) delete (profile as Record<string, unknown>)[key];
      Object.assign(profile, { name, title, phases, limits, identity: GOOD.identity, registers });
    },
    'identity',
    'no registers for it',
    true,
  ),
  changed('digits in registers', set('registers.0.type', 'bcd32'), 'registers[0].type', 'not one of'),
  replaced('a prototype in the way', '"phases":1', '"phases":1,"__proto__":{"a":1}', '__proto__', 'unknown'),
  replaced(
    'a prototype in a register',
    '"at":12',
    '"at":12,"__proto__":{"unit":"V"}',
    'registers[1].__proto__',
    'unknown',
  ),
  replaced(
    'a constructor',
    '"phases":1',
    '"phases":1,"constructor":{"prototype":{}}',
    'constructor',
    'unknown',
  ),
  changed(
    'a method of all objects as a unit',
    set('registers.0.unit', 'toString'),
    'registers[0].unit',
    'not one of',
  ),
  changed('an unknown key', set('factory', 1), 'factory', 'unknown'),
  changed('an unknown key in a register', set('registers.0.factor', 10), 'registers[0].factor', 'unknown'),
  changed('an unknown key in the limits', set('limits.burst', 10), 'limits.burst', 'unknown'),
  changed(
    'an unknown key in the scaler',
    set('registers.1.scaler.offset', 1),
    'registers[1].scaler.offset',
    'unknown',
  ),
  changed('an expression', set('registers.0.value', 'raw * 10'), 'registers[0].value', 'unknown'),
  ...Object.keys(GOOD)
    .filter((key) => key !== 'identity' && key !== 'line')
    .map((key) => changed(`no ${key}`, set(key, undefined), key, 'missing')),
  ...Object.keys(GOOD.registers[0]!).map((key) =>
    changed(
      `no ${key} in a register`,
      set(`registers.0.${key}`, undefined),
      `registers[0].${key}`,
      'missing',
    ),
  ),
  changed('a path out of the folder', set('name', '../../etc/passwd'), 'name', 'not example/meter', false),
  changed('a name of another profile', set('name', 'example/other'), 'name', 'not example/meter', true),
  changed('a title over two lines', set('title', 'a\nb'), 'title', 'control character'),
  changed('a title without end', set('title', 'x'.repeat(81)), 'title', '1 to 80'),
  changed('two phases', set('phases', 2), 'phases', 'not one of'),
  changed('seven data bits', set('line.data', 7), 'line.data', 'not one of'),
  changed('a speed as text', set('line.baud', '9600'), 'line.baud', 'not one of'),
  changed('an odd speed', set('line.baud', 9601), 'line.baud', 'not one of'),
  changed('too many registers at once', set('limits.registers', 126), 'limits.registers', '1 to 125'),
  changed('too few registers at once', set('limits.registers', 1), 'type', 'limits.registers is 1', true),
  changed('a pause without end', set('limits.pauseMs', 1e9), 'limits.pauseMs', '0 to 1000'),
  changed('a fraction of a pause', set('limits.pauseMs', 0.5), 'limits.pauseMs', 'integer'),
  replaced('infinity', '"pauseMs":5', '"pauseMs":Infinity', 'limits.pauseMs', 'integer'),
  replaced('no number', '"pauseMs":5', '"pauseMs":NaN', 'limits.pauseMs', 'integer'),
  changed('no registers', set('registers', []), 'registers', '1 to 128'),
  changed('registers by name', set('registers', { a: GOOD.registers[0] }), 'registers', 'not a list'),
  changed(
    'too many registers',
    set(
      'registers',
      Array.from({ length: 129 }, (_, i) => ({ ...GOOD.registers[0], obis: `1-0:${i}.7.0`, at: 2 * i })),
    ),
    'registers',
    '1 to 128',
  ),
  changed('a register that is a number', set('registers.0', 7), 'registers[0]', 'not an object'),
  changed('null for an object', set('line', null), 'line', 'not an object'),
  changed('a list for an object', set('line', []), 'line', 'not an object'),
  ...[
    '1-0:1.8',
    '1-0:1.8.0.255',
    '1.8.0',
    '1-0:01.8.0',
    '1-0:1.8.256',
    '0-0:1.8.0',
    '1-0:1.8.0 ',
    '',
    'constructor',
  ].map((obis) =>
    changed(
      `the OBIS code ${JSON.stringify(obis)}`,
      set('registers.0.obis', obis),
      'registers[0].obis',
      '',
      obis.endsWith('256'),
    ),
  ),
  changed(
    'an OBIS code twice',
    (profile) => Object.assign(profile.registers[1]!, { obis: '1-0:1.8.0', unit: 'kWh' }),
    'registers[1].obis',
    'stands in registers[0] too',
    true,
  ),
  changed(
    'two registers in one place',
    (profile) => Object.assign(profile.registers[1]!, { at: 72 }),
    'registers[1].at',
    'overlaps registers[0]',
    true,
  ),
  changed(
    'two registers that share a word',
    (profile) => Object.assign(profile.registers[1]!, { at: 71 }),
    'registers[1].at',
    'overlaps registers[0]',
    true,
  ),
  changed('a register that writes', set('registers.0.fc', 6), 'registers[0].fc', 'not one of'),
  changed('an address below 0', set('registers.0.at', -1), 'registers[0].at', '0 to 65534'),
  changed('an address beyond the last', set('registers.0.at', 65_535), 'registers[0].at', '0 to 65534', true),
  changed('an address as text', set('registers.0.at', '72'), 'registers[0].at', 'integer'),
  changed('an unknown type', set('registers.0.type', 'float16'), 'registers[0].type', 'not one of'),
  changed(
    'an unknown word order',
    set('registers.0.wordOrder', 'middle'),
    'registers[0].wordOrder',
    'not one of',
  ),
  changed('an unknown unit', set('registers.0.unit', 'MWh'), 'registers[0].unit', 'not one of'),
  changed('too many decimals', set('registers.0.decimals', 7), 'registers[0].decimals', '0 to 6'),
  changed(
    'digits that would be lost',
    set('registers.1.decimals', 0),
    'registers[1].decimals',
    'would be lost',
    true,
  ),
  changed(
    'a scaler of zero',
    set('registers.1.scaler.mantissa', 0),
    'registers[1].scaler.mantissa',
    'every reading would be',
  ),
  changed(
    'a mantissa without measure',
    set('registers.1.scaler.mantissa', -1_000_001),
    'registers[1].scaler.mantissa',
    '-1000000 to 1000000',
  ),
  changed(
    'a scaler without measure',
    set('registers.1.scaler.exponent', 300),
    'registers[1].scaler.exponent',
    '-6 to 6',
  ),
  changed(
    'an unknown confidence',
    set('registers.0.confidence', 'sure'),
    'registers[0].confidence',
    'not one of',
  ),
  changed(
    'a unit of another quantity',
    set('registers.0.unit', 'V'),
    'registers[0].unit',
    'V under 1-0:1.8.0, which is in Wh or kWh',
    true,
  ),
  changed(
    'a power for an energy',
    set('registers.1.unit', 'kWh'),
    'registers[1].unit',
    'kWh under 1-0:16.7.0, which is in W or kW',
    true,
  ),
  changed(
    'a second phase of a meter with one',
    (profile) => Object.assign(profile.registers[1]!, { obis: '1-0:56.7.0' }),
    'registers[1].obis',
    'of a phase that the meter lacks',
    true,
  ),
  changed('gaps without end', set('limits.gap', 126), 'limits.gap', '0 to 125'),
  changed('no word on gaps', set('limits.gap', undefined), 'limits.gap', 'missing'),
  changed('line settings that nobody named', set('line.source', undefined), 'line.source', 'missing'),
  changed(
    'no word order where there are two words',
    set('identity.serial.wordOrder', undefined),
    'identity.serial.wordOrder',
    'missing',
  ),
  changed(
    'an order of one word',
    (profile) => Object.assign(profile.registers[1]!, { type: 'int16' }),
    'registers[1].wordOrder',
    'one word has no order',
  ),
  changed(
    'an order of the words of a text',
    (profile) => Object.assign(profile.identity.serial, { type: 'text', words: 4 }),
    'identity.serial',
    '',
  ),
  replaced(
    'a text without a length',
    '"type":"uint32","wordOrder":"big"',
    '"type":"text"',
    'identity.serial.words',
    'missing',
  ),
  replaced(
    'a text without end',
    '"type":"uint32","wordOrder":"big"',
    '"type":"text","words":17',
    'identity.serial.words',
    '1 to 16',
  ),
  replaced(
    'a number with a length of its own',
    '"type":"uint32","wordOrder":"big"',
    '"type":"uint32","words":2,"wordOrder":"big"',
    'identity.serial.words',
    'only a text',
  ),
  replaced(
    'a power of ten that one request does not reach',
    '"exponent":-1}',
    '"exponent":-1},"scaleAt":33',
    'registers[1].scaleAt',
    '22 registers away, and one request takes 20',
    true,
  ),
  replaced(
    'a power of ten in a register that has a value',
    '"exponent":-1}',
    '"exponent":-1},"scaleAt":13',
    'registers[1].scaleAt',
    'overlaps registers[1]',
    true,
  ),
  replaced(
    'a power of ten for a float',
    '"decimals":3',
    '"decimals":3,"scaleAt":80',
    'registers[0].scaleAt',
    'a float has its own',
  ),
  replaced(
    'a power of ten beyond the last address',
    '"exponent":-1}',
    '"exponent":-1},"scaleAt":65536',
    'registers[1].scaleAt',
    '0 to 65535',
  ),
  replaced(
    'a mark for missing that is shorter than the register',
    '"decimals":3',
    '"decimals":3,"missing":"ffff"',
    'registers[0].missing',
    'not 8 hex digits',
    true,
  ),
  replaced(
    'a mark for missing that is no hex',
    '"decimals":3',
    '"decimals":3,"missing":"FFFFFFFF"',
    'registers[0].missing',
    'not 8 hex digits',
  ),
  changed(
    'a proof by one source',
    set('registers.0.source', 'manual'),
    'registers[0].confidence',
    'it takes two that agree',
  ),
  changed(
    'a proof by one source and a comma',
    set('registers.0.source', 'manual, '),
    'registers[0].confidence',
    'it takes two that agree',
  ),
  {
    what: 'properties in another order',
    text: JSON.stringify(GOOD).replace(
      '"name":"example/meter","title":"Example meter"',
      '"title":"Example meter","name":"example/meter"',
    ),
    path: 'name',
    why: 'out of order',
    beyondSchema: true,
  },
  replaced(
    'properties of a register in another order',
    '"fc":4,"at":72',
    '"at":72,"fc":4',
    'registers[0].fc',
    'out of order',
    true,
  ),
  changed('a source that nobody named', set('registers.0.source', ''), 'registers[0].source', '1 to 200'),
  changed(
    'a serial number as a fraction',
    set('identity.serial.type', 'float32'),
    'identity.serial.type',
    'not one of',
  ),
  changed('an identity without a serial number', set('identity', {}), 'identity.serial', 'missing'),
  replaced('a key twice', '"at":72', '"at":72,"decimals":3', 'profile', 'stands twice', true),
  replaced(
    'a key twice, once in quotes of the other kind',
    '"at":72',
    "'at':72,at:72",
    'profile',
    'stands twice',
    true,
  ),
  replaced(
    'a key twice behind a comment',
    '"at":72',
    '/* : */ "at":72, at: 73 // :\n',
    'profile',
    'stands twice',
    true,
  ),
  { what: 'no JSON5', text: '{ name: ', path: 'profile', why: 'not JSON5', beyondSchema: true },
  { what: 'a list', text: '[]', path: 'profile', why: 'not an object' },
  {
    what: 'a deep nest',
    text: `${'['.repeat(60_000)}${']'.repeat(60_000)}`,
    path: 'profile',
    why: 'not an object',
    beyondSchema: true,
  },
  {
    what: 'a huge file',
    text: `{}${' '.repeat(200_000)}`,
    path: 'profile',
    why: 'more than 131072 bytes',
    beyondSchema: true,
  },
];
