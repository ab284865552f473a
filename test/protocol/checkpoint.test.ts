import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  checkpointHash,
  epochOf,
  formatCheckpoint,
  originOf,
  parseCheckpoint,
  parseNote,
  platformIdOf,
  toHex,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { vectorJson } from './vector.js';

const chain = vectorJson<{
  origin: string;
  roots: Record<string, string>;
  checkpoints: Record<string, string>;
}>('chain.json');
const messages = vectorJson<{ origin: string; platformId: string; checkpoint: string; log: string[] }>(
  'messages-v0.json',
);

t.test('the checkpoints of the vectors are read, and written to the same bytes', async (t) => {
  for (const [size, note] of Object.entries(chain.checkpoints)) {
    const { text } = parseNote(note);
    const checkpoint = parseCheckpoint(text);
    t.equal(checkpoint.origin, chain.origin);
    t.equal(checkpoint.size, Number(size));
    t.equal(toHex(checkpoint.root), chain.roots[size]);
    t.strictSame(checkpoint.extensions, []);
    t.equal(formatCheckpoint(checkpoint), text);
  }
  const own = parseCheckpoint(parseNote(messages.checkpoint).text);
  t.equal(own.origin, messages.origin);
  t.equal(own.size, messages.log.length);
});

t.test('extension lines are kept for whoever decides about them', async (t) => {
  const text = `${parseNote(chain.checkpoints['7']!).text}first\nsecond\n`;
  t.strictSame(parseCheckpoint(text).extensions, ['first', 'second']);
  t.equal(formatCheckpoint(parseCheckpoint(text)), text);
});

t.test('a checkpoint is refused unless it has one form only', async (t) => {
  const good = parseNote(chain.checkpoints['7']!).text;
  for (const [what, text] of [
    ['empty', ''],
    ['no final newline', good.slice(0, -1)],
    ['two lines', good.split('\n').slice(0, 2).join('\n')],
    ['empty origin', good.slice(chain.origin.length)],
    ['empty line', `${good}\n`],
    ['leading zero', good.replace('\n7\n', '\n07\n')],
    ['sign', good.replace('\n7\n', '\n+7\n')],
    ['minus zero', good.replace('\n7\n', '\n-0\n')],
    ['exponent', good.replace('\n7\n', '\n7e0\n')],
    ['space', good.replace('\n7\n', '\n7 \n')],
    ['2^53', good.replace('\n7\n', '\n9007199254740992\n')],
    ['20 digits', good.replace('\n7\n', '\n18446744073709551615\n')],
    ['short root', good.replace(/[^\n]*\n$/, 'AAAA\n')],
    ['root with unused bits', good.replace('RI=', 'RJ=')],
    ['root without padding', good.replace('RI=', 'RI')],
    ['carriage return', good.replaceAll('\n', '\r\n')],
    ['long origin', good.replace('meterseal', 'm'.repeat(300))],
    ['half a surrogate pair', good.replace('edge', '\udc00')],
  ] as const) {
    t.not(text, good, what);
    t.throws(() => parseCheckpoint(text), { code: 'bad-checkpoint' }, what);
  }
  t.equal(parseCheckpoint(good.replace('\n7\n', '\n9007199254740991\n')).size, Number.MAX_SAFE_INTEGER);
});

t.test('what would not be read again is not written', async (t) => {
  const good = parseCheckpoint(parseNote(chain.checkpoints['7']!).text);
  for (const wrong of [
    { origin: '' },
    { origin: 'a\nb' },
    { size: -1 },
    { size: 1.5 },
    { size: 2 ** 53 },
    { root: new Uint8Array(31) },
    { extensions: [''] },
    { extensions: ['a\nb'] },
  ]) {
    t.throws(
      () => formatCheckpoint({ ...good, ...wrong }),
      { code: 'bad-checkpoint' },
      JSON.stringify(wrong),
    );
  }
});

t.test('the hash of a checkpoint does not depend on its signatures', async (t) => {
  const note = messages.checkpoint;
  const expected = crypto.sha256(utf8(parseNote(note).text));
  t.strictSame(checkpointHash(crypto, note), expected);
  t.strictSame(checkpointHash(crypto, parseNote(note).text), expected);
});

t.test('an origin is the platform ID and the epoch', async (t) => {
  t.equal(platformIdOf(messages.origin), messages.platformId);
  t.equal(epochOf(messages.origin), 1);
  t.equal(originOf(messages.platformId, 1), messages.origin);
  t.equal(epochOf('a/9007199254740991'), Number.MAX_SAFE_INTEGER);
});

t.test('an origin without a decimal epoch has neither', async (t) => {
  for (const origin of [
    '',
    '/',
    '1',
    '/1',
    'a',
    'a/',
    'a/x',
    'a/01',
    'a/1x',
    'a/-1',
    'a/9007199254740992',
    chain.origin,
  ]) {
    t.throws(() => epochOf(origin), { code: 'bad-checkpoint' }, origin);
    t.throws(() => platformIdOf(origin), { code: 'bad-checkpoint' }, origin);
  }
  t.throws(() => originOf('', 1), { code: 'bad-checkpoint' });
  t.throws(() => originOf('a', 1.5), { code: 'bad-checkpoint' });
  t.throws(() => originOf('a', -1), { code: 'bad-checkpoint' });
  t.throws(() => originOf('a'.repeat(254), 1), { code: 'bad-checkpoint' });
});
