import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  ALG_ED25519,
  cosign,
  cosignatureTime,
  formatNote,
  formatSignatureLine,
  fromHex,
  type NoteSignature,
  parseNote,
  parseSignatureLine,
  parseVerifierKey,
  signNote,
  verifierKeyOf,
  verifyNoteSignature,
} from '@meterseal/protocol';
import t from 'tap';
import { vectorJson } from './vector.js';

const chain = vectorJson<{
  log_seed_hex: string;
  log_vkey: string;
  origin: string;
  witness_seed_hex: string;
  witness_vkey: string;
  checkpoints: Record<string, string>;
  cosigned_300_time_1700000000: string;
}>('chain.json');

const logSigner = crypto.keyFromSeed(fromHex(chain.log_seed_hex));
const witnessSigner = crypto.keyFromSeed(fromHex(chain.witness_seed_hex));
const logKey = parseVerifierKey(crypto, chain.log_vkey);
const witnessKey = parseVerifierKey(crypto, chain.witness_vkey);
const cosigned = chain.cosigned_300_time_1700000000;

t.test('the checkpoints of the sample chain are signed to the same bytes', async (t) => {
  for (const [size, note] of Object.entries(chain.checkpoints)) {
    const { text } = parseNote(note);
    t.equal(signNote(crypto, logSigner, chain.origin, text), note, `size ${size}`);
  }
});

t.test('the cosignature of the sample chain is made to the same bytes, and verifies', async (t) => {
  const note = parseNote(cosigned);
  const [log, witness] = note.signatures as [NoteSignature, NoteSignature];
  t.ok(verifyNoteSignature(crypto, logKey, note.text, log));
  t.ok(verifyNoteSignature(crypto, witnessKey, note.text, witness));
  t.equal(cosignatureTime(witness), 1_700_000_000);
  const again = cosign(crypto, witnessSigner, witnessKey.name, note.text, 1_700_000_000);
  t.strictSame(again, witness);
  t.equal(formatNote({ text: note.text, signatures: [log, again] }), cosigned);
  t.equal(cosignatureTime(log), undefined);
});

t.test('a signature verifies only for its own key, kind, text and time', async (t) => {
  const note = parseNote(cosigned);
  const [log, witness] = note.signatures as [NoteSignature, NoteSignature];
  const otherKind = verifierKeyOf(crypto, witnessKey.name, ALG_ED25519, witnessKey.publicKey);
  const later = witness.signature.slice();
  later[7]! ^= 1;
  for (const [what, key, text, signature] of [
    ['other text', logKey, note.text.replace('300', '301'), log],
    ['other key', witnessKey, note.text, log],
    ['renamed line', witnessKey, note.text, { ...log, name: witnessKey.name, keyHash: witnessKey.keyHash }],
    ['other kind', otherKind, note.text, { ...witness, keyHash: otherKind.keyHash }],
    ['other time', witnessKey, note.text, { ...witness, signature: later }],
    ['cut', logKey, note.text, { ...log, signature: log.signature.subarray(1) }],
    ['cut cosignature', witnessKey, note.text, { ...witness, signature: witness.signature.subarray(8) }],
    ['time above 2^53', witnessKey, note.text, { ...witness, signature: new Uint8Array(72).fill(0xff) }],
  ] as const) {
    t.notOk(verifyNoteSignature(crypto, key, text, signature), what);
  }
});

t.test('a signer that gives a bad signature does not get it published', async (t) => {
  const broken = { publicKey: logSigner.publicKey, sign: () => new Uint8Array(64) };
  t.throws(() => signNote(crypto, broken, 'log.example', 'text\n'), { code: 'signature-invalid' });
  t.throws(() => cosign(crypto, broken, 'w.example', 'text\n', 1), { code: 'signature-invalid' });
});

t.test('the text may hold empty lines: the last one parts it from the signatures', async (t) => {
  const text = 'Ognuno\n\nè sera\n\n';
  const note = signNote(crypto, logSigner, 'log.example', text);
  t.equal(parseNote(note).text, text);
  const key = verifierKeyOf(crypto, 'log.example', ALG_ED25519, logSigner.publicKey);
  t.ok(verifyNoteSignature(crypto, key, text, parseNote(note).signatures[0]!));
});

t.test('a note is refused unless every byte is where it belongs', async (t) => {
  const good = chain.checkpoints['7']!;
  const line = good.split('\n')[4]!;
  const text = parseNote(good).text;
  for (const [what, note] of [
    ['empty', ''],
    ['only newlines', '\n\n\n'],
    ['no empty line', good.replace('\n\n', '\n')],
    ['no signature', `${text}\n`],
    ['no final newline', good.slice(0, -1)],
    ['an empty line at the end', `${good}\n`],
    ['hyphen for the dash', good.replace('— ', '- ')],
    ['en dash', good.replace('— ', '– ')],
    ['two spaces', good.replace('— ', '—  ')],
    ['space at the end', `${text}\n${line} \n`],
    ['plus in the name', good.replace('— meterseal', '— meter+seal')],
    ['no-break space in the name', good.replace('— meterseal', '— meter\u00a0seal')],
    ['no name', good.replace(/— \S+ /, '—  ')],
    ['unpadded base64', `${text}\n${line.slice(0, -1)}\n`],
    ['base64 with unused bits', `${text}\n— a AAAAAAB=\n`],
    ['base64url', `${text}\n— a AAAA_A==\n`],
    ['key hash only', `${text}\n— a AAAAAA==\n`],
    ['carriage return', good.replaceAll('\n', '\r\n')],
    ['tab in the text', good.replace('edge', 'ed\tge')],
    ['zero in the text', good.replace('edge', 'ed\u0000ge')],
    ['zero in the name', good.replace('— meter', '— me\u0000ter')],
    ['half a surrogate pair', good.replace('edge', 'ed\ud800ge')],
    ['129 signatures', `${text}\n${'— a AAAAAAA=\n'.repeat(129)}`],
  ] as const) {
    t.throws(() => parseNote(note), { code: 'bad-checkpoint' }, what);
  }
  t.equal(parseNote(`${text}\n${'— a AAAAAAA=\n'.repeat(128)}`).signatures.length, 128);
  t.throws(() => parseNote('x'.repeat(100_000)), { code: 'too-large' });
  t.throws(() => parseNote('电'.repeat(20_000)), { code: 'too-large' }, 'counted in bytes');
});

t.test('what would not be read again is not written', async (t) => {
  const [good] = parseNote(cosigned).signatures as [NoteSignature];
  for (const [what, note] of [
    ['no signature', { text: 'a\n', signatures: [] }],
    ['text without newline', { text: 'a', signatures: [good] }],
    [
      'text without newline, with a line that looks like a signature',
      { text: 'a\n\n— x AAAAAAA=', signatures: [good] },
    ],
    ['name with a line break', { text: 'a\n', signatures: [{ ...good, name: 'x AAAAAAA=\n\n— y' }] }],
    ['name with another signature', { text: 'a\n', signatures: [{ ...good, name: 'x AAAAAAA=\n— y' }] }],
  ] as const) {
    t.throws(() => formatNote(note), { code: 'bad-checkpoint' }, what);
  }
  t.throws(() => signNote(crypto, logSigner, 'a b', 'text\n'), { code: 'bad-key' });
  t.throws(() => signNote(crypto, logSigner, 'a', 'text'), { code: 'bad-checkpoint' });
  t.throws(() => cosign(crypto, logSigner, 'a', 'text\n', -1), { code: 'bad-argument' });
});

t.test('a signature line comes back alone', async (t) => {
  const [log] = parseNote(cosigned).signatures as [NoteSignature];
  t.strictSame(parseSignatureLine(formatSignatureLine(log)), log);
  t.throws(() => parseSignatureLine(`${formatSignatureLine(log)}\n`), { code: 'bad-checkpoint' });
});
