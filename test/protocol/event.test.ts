import {
  checkEvent,
  decodeEvent,
  EVENT_KINDS,
  type EventBody,
  encodeEvent,
  MAX_EVENT_BYTES,
  utf8,
} from '@meterseal/protocol';
import canonicalize from 'canonicalize';
import t from 'tap';

const REFUSED = { code: 'bad-entry' };
const text = (event: EventBody) => new TextDecoder().decode(encodeEvent(event));

t.test('an event is one canonical JSON object of integers, codes and lists of integers', async (t) => {
  const event = {
    subjects: [1, 2],
    kind: 'rejections',
    since: -5,
    hash: 'a'.repeat(64),
    final: true,
    none: [],
  } as const;
  t.equal(
    text(event),
    `{"final":true,"hash":"${'a'.repeat(64)}","kind":"rejections","none":[],"since":-5,"subjects":[1,2]}`,
  );
  t.strictSame(decodeEvent(encodeEvent(event)), event);
  checkEvent(event);
});

t.test('every kind of the list is one, and no other', async (t) => {
  for (const kind of EVENT_KINDS) t.equal(text({ kind }), `{"kind":"${kind}"}`);
  for (const kind of ['', 'Boot', 'reboot', 'toString', null, 0, ['boot'], undefined]) {
    t.throws(() => checkEvent({ kind }), REFUSED, String(kind));
  }
});

t.test('IDs, free text, floats and nested objects have no place in an event', async (t) => {
  for (const [key, value] of [
    ['meter', 'EM:0001.A'],
    ['text', 'two words'],
    ['text', ''],
    ['text', 'a'.repeat(65)],
    ['text', 'ü'],
    ['text', 'a\n'],
    ['number', 1.5],
    ['number', 2 ** 53],
    ['number', -0],
    ['number', Number.NaN],
    ['number', null],
    ['list', [1, 'a']],
    ['list', [[1]]],
    ['list', [1.5]],
    ['list', Array.from({ length: 65 }, (_, i) => i)],
    ['object', {}],
    ['Capital', 1],
    ['with-hyphen', 1],
    ['', 1],
    ['0', 1],
    ['__proto__', 1],
    ['a'.repeat(33), 1],
  ] as const) {
    const event = Object.defineProperty({ kind: 'boot' }, key, { value, enumerable: true });
    t.throws(() => encodeEvent(event as unknown as EventBody), REFUSED, `${key} ${String(value)}`);
  }
  for (const event of [null, undefined, 7, 'boot', [], [{ kind: 'boot' }]]) {
    t.throws(() => encodeEvent(event as unknown as EventBody), REFUSED, String(event));
  }
});

t.test('an event has one byte string only', async (t) => {
  for (const bytes of [
    '',
    '{}',
    '{"kind":"boot"} ',
    ' {"kind":"boot"}',
    '{"kind": "boot"}',
    '{"kind":"boot","kind":"boot"}',
    '{"ms":1,"kind":"boot"}',
    '{"kind":"boot","ms":1.0}',
    '{"kind":"boot","ms":1e2}',
    '{"kind":"boot","ms":-0}',
    '{"kind":"b\\u006fot"}',
    '\ufeff{"kind":"boot"}',
    '{"__proto__":{"kind":"boot"}}',
    '{"__proto__":1,"kind":"boot"}',
    '[{"kind":"boot"}]',
    '{"kind":"boot"',
    '['.repeat(MAX_EVENT_BYTES),
  ]) {
    t.throws(() => decodeEvent(utf8(bytes)), REFUSED, bytes.slice(0, 40));
  }
  t.throws(() => decodeEvent(Uint8Array.of(0x7b, 0xff, 0x7d)), REFUSED);
});

t.test('an event of more than 4 KiB is refused', async (t) => {
  const event = (length: number) => {
    const more: Record<string, string> = {};
    for (let i = 0; i < 57; i++) more[`k${String(i).padStart(3, '0')}`] = 'a'.repeat(61);
    return { kind: 'boot', ...more, z: 'a'.repeat(length) } as unknown as EventBody;
  };
  const room = MAX_EVENT_BYTES - utf8(canonicalize(event(0))!).length;
  t.ok(room > 0 && room < 64, `${room} bytes are left`);
  t.equal(encodeEvent(event(room)).length, MAX_EVENT_BYTES);
  t.throws(() => encodeEvent(event(room + 1)), REFUSED);
  t.throws(() => decodeEvent(utf8(canonicalize(event(room + 1))!)), REFUSED);
});
