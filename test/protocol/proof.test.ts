import {
  decodeProof,
  encodeProof,
  MAX_PROOF_BYTES,
  MAX_PROOF_HASHES,
  type Proof,
  toBase64,
  utf8,
} from '@meterseal/protocol';
import t from 'tap';
import { vectors } from './message-vectors.js';

const REFUSED = { code: 'bad-proof' };
const file = vectors.proof;
const proof = decodeProof(utf8(file));
const lines = file.split('\n');
const blank = lines.indexOf('');
const line = (start: string) => lines.findIndex((text) => text.startsWith(start));
const hash = toBase64(new Uint8Array(32));

t.test('the proof of the vectors is read, and written again byte by byte', async (t) => {
  const meter = vectors.meters[0]!;
  t.strictSame(proof.record, utf8(vectors.reading.record));
  t.strictSame([proof.meter, proof.subject], [meter.id, meter.subject]);
  t.strictSame(
    proof.entries.map(({ index }) => index),
    [2, 6, 7, vectors.reading.entryIndex],
  );
  t.strictSame(
    proof.entries.map(({ inclusion }) => inclusion.length),
    [6, 6, 6, 6],
  );
  t.equal(proof.note, vectors.checkpoint);
  t.equal(new TextDecoder().decode(encodeProof(proof)), file);
});

t.test('the note stays as it is, whatever it is', async (t) => {
  for (const note of ['', 'x', '\n\n\n', 'a\n\nb', ' ü \r\n']) {
    t.equal(decodeProof(encodeProof({ ...proof, note })).note, note, JSON.stringify(note));
  }
});

t.test('a file with any line changed, missing, doubled or out of place is refused', async (t) => {
  const edited = (edit: (lines: string[]) => unknown) => {
    const copy = [...lines];
    edit(copy);
    return copy.join('\n');
  };
  const set = (at: number, text: string) => edited((copy) => copy.splice(at, 1, text));
  const record = line('record ');
  const opening = line('opening ');
  const entry = line('entry 6');
  const cases: [string, string][] = [
    ['nothing', ''],
    ['another version', set(0, 'meterseal-proof/v1')],
    ['a byte order mark', `\ufeff${file}`],
    ['CR LF', file.replaceAll('\n', '\r\n')],
    ['a space behind the header', set(0, 'meterseal-proof/v0 ')],
    ['no note', lines.slice(0, blank).join('\n')],
    ['no empty line', edited((copy) => copy.splice(blank, 1))],
    ['an empty line before', edited((copy) => copy.splice(1, 0, ''))],
    ['record with two fields', set(record, `${lines[record]} AA==`)],
    ['record with two spaces', set(record, lines[record]!.replace(' ', '  '))],
    ['record with a tab', set(record, lines[record]!.replace(' ', '\t'))],
    ['record not base64', set(record, 'record A')],
    ['record in capitals', set(record, lines[record]!.replace('record', 'Record'))],
    ['opening without salt', set(opening, 'opening EM:0001.A 1')],
    ['opening with no meter ID', set(opening, lines[opening]!.replace('EM:0001.A', 'EM/0001'))],
    ['opening with a salt of 15 bytes', set(opening, `opening m ${toBase64(new Uint8Array(15))} 1`)],
    ['opening with a salt of 17 bytes', set(opening, `opening m ${toBase64(new Uint8Array(17))} 1`)],
    ['opening with subject 01', set(opening, lines[opening]!.replace(/1$/, '01'))],
    ['opening with subject +1', set(opening, lines[opening]!.replace(/1$/, '+1'))],
    ['opening with subject 1.0', set(opening, lines[opening]!.replace(/1$/, '1.0'))],
    ['opening with a huge subject', set(opening, lines[opening]!.replace(/1$/, '9007199254740992'))],
    ['opening with no subject', set(opening, lines[opening]!.replace(/1$/, ''))],
    ['entry with index 06', set(entry, lines[entry]!.replace('entry 6', 'entry 06'))],
    ['entry with index -6', set(entry, lines[entry]!.replace('entry 6', 'entry -6'))],
    ['entry with index 6e0', set(entry, lines[entry]!.replace('entry 6', 'entry 6e0'))],
    ['entry without bytes', set(entry, 'entry 6')],
    ['an index twice', set(entry, lines[entry]!.replace('entry 6', 'entry 2'))],
    ['indexes that fall', set(entry, lines[entry]!.replace('entry 6', 'entry 1'))],
    ['a hash of 31 bytes', set(entry + 1, toBase64(new Uint8Array(31)))],
    ['a hash of 33 bytes', set(entry + 1, toBase64(new Uint8Array(33)))],
    ['a hash with a space behind', set(entry + 1, `${lines[entry + 1]} `)],
    ['a hash without padding', set(entry + 1, lines[entry + 1]!.replace('=', ''))],
    ['a hash that is not canonical', set(entry + 1, `${lines[entry + 1]!.slice(0, -2)}B=`)],
    ['an unknown line', edited((copy) => copy.splice(entry, 0, 'comment here'))],
    ['an entry missing', edited((copy) => copy.splice(entry, line('entry 7') - entry))],
    ['a fifth entry', edited((copy) => copy.splice(blank, 0, `entry 60 ${hash}`))],
    ['record and opening swapped', edited((copy) => copy.splice(record, 2, lines[opening]!, lines[record]!))],
    ['entries swapped', edited((copy) => copy.splice(entry, 0, ...copy.splice(line('entry 7'), 7)))],
  ];
  for (const [what, text] of cases) t.throws(() => decodeProof(utf8(text)), REFUSED, what);
  t.throws(() => decodeProof(Uint8Array.of(...utf8(file), 0xff)), REFUSED, 'malformed UTF-8');
});

t.test('a file that is cut anywhere before its note is refused', async (t) => {
  const bytes = utf8(file);
  const noteAt = file.indexOf('\n\n') + 2;
  for (let length = 0; length < noteAt; length++) {
    t.throws(() => decodeProof(bytes.subarray(0, length)), REFUSED, `${length} bytes`);
  }
});

t.test('a proof has at most 64 KiB and as many hashes as the deepest tree', async (t) => {
  const withHashes = (count: number): Proof => {
    const [a, b, c, d] = proof.entries;
    const inclusion = Array.from({ length: count }, () => new Uint8Array(32));
    return { ...proof, entries: [{ ...a, inclusion }, b, c, d] };
  };
  t.ok(decodeProof(encodeProof(withHashes(MAX_PROOF_HASHES))));
  t.throws(() => encodeProof(withHashes(MAX_PROOF_HASHES + 1)), REFUSED);
  const room = MAX_PROOF_BYTES - encodeProof({ ...proof, note: '' }).length;
  t.equal(encodeProof({ ...proof, note: 'x'.repeat(room) }).length, MAX_PROOF_BYTES);
  t.throws(() => encodeProof({ ...proof, note: 'x'.repeat(room + 1) }), REFUSED);
  t.throws(() => decodeProof(new Uint8Array(MAX_PROOF_BYTES + 1).fill(0x0a)), REFUSED);
});

t.test('what could not be read again is not written', async (t) => {
  const [a, b, c, d] = proof.entries;
  for (const wrong of [
    { ...proof, meter: 'two words' },
    { ...proof, salt: new Uint8Array(15) },
    { ...proof, subject: -1 },
    { ...proof, subject: 1e21 },
    { ...proof, entries: [a, c, b, d] as Proof['entries'] },
    { ...proof, entries: [{ ...a, inclusion: [new Uint8Array(33)] }, b, c, d] as Proof['entries'] },
  ]) {
    t.throws(() => encodeProof(wrong), REFUSED);
  }
});
