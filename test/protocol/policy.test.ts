import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  ALG_COSIGNATURE,
  ALG_ED25519,
  cosign,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  fromUtf8,
  isMetersealError,
  type NoteSignature,
  openCheckpoint,
  type Policy,
  parseNote,
  parsePolicy,
  reachesQuorum,
  type Signer,
  signNote,
  toHex,
  utf8,
  verifierKeyOf,
} from '@meterseal/protocol';
import t from 'tap';
import { SeededRandom } from './seeded-random.js';
import { vectorJson } from './vector.js';

const messages = vectorJson<{
  policy: string;
  policyQuorum: string;
  origin: string;
  checkpoint: string;
  log: string[];
}>('messages-v0.json');
const chain = vectorJson<{ log_vkey: string; witness_vkey: string; cosigned_300_time_1700000000: string }>(
  'chain.json',
);

const REFUSED = { code: 'policy-refused' };
const ORIGIN = 'operator.example/meterseal/box/2';
const TEXT = formatCheckpoint({ origin: ORIGIN, size: 5, root: new Uint8Array(32), extensions: [] });

const signers = new Map<number, Signer>();
function signer(n: number): Signer {
  const known = signers.get(n) ?? crypto.keyFromSeed(new Uint8Array(32).fill(n));
  signers.set(n, known);
  return known;
}
const logLine = (n: number, name = ORIGIN) =>
  `log ${formatVerifierKey(verifierKeyOf(crypto, name, ALG_ED25519, signer(n).publicKey))}\n`;
const witnessLine = (n: number) =>
  `witness w${n} ${formatVerifierKey(verifierKeyOf(crypto, `w${n}.example`, ALG_COSIGNATURE, signer(n).publicKey))}\n`;
const cosignature = (n: number, text = TEXT) =>
  cosign(crypto, signer(n), `w${n}.example`, text, 1_700_000_000);
const signature = (n: number, name = ORIGIN, text = TEXT) =>
  parseNote(signNote(crypto, signer(n), name, text)).signatures[0]!;
const policyOf = (...lines: string[]): Policy => parsePolicy(crypto, lines.join(''));
const note = (...signatures: NoteSignature[]) => formatNote({ text: TEXT, signatures });
const damaged = (line: NoteSignature): NoteSignature => {
  const bytes = line.signature.slice();
  bytes[20]! ^= 1;
  return { ...line, signature: bytes };
};

t.test('the checkpoint of the vectors is accepted under both of their policies', async (t) => {
  for (const [text, quorum] of [
    [messages.policy, 'none'],
    [messages.policyQuorum, 'reached'],
  ] as const) {
    const opened = openCheckpoint(crypto, parsePolicy(crypto, text), messages.checkpoint);
    t.equal(opened.quorum, quorum);
    t.strictSame(opened.witnesses, ['w1']);
    t.equal(opened.log.name, messages.origin);
    t.equal(opened.checkpoint.size, messages.log.length);
  }
});

t.test('whichever byte of the note is changed, another head is never accepted', async (t) => {
  const bytes = utf8(messages.checkpoint);
  const random = new SeededRandom(62);
  const accepted = new Set<string>();
  const policy = parsePolicy(crypto, messages.policy);
  for (let at = 0; at < bytes.length; at++) {
    const changed = bytes.slice();
    changed[at]! ^= 1 + random.below(255);
    try {
      accepted.add(formatCheckpoint(openCheckpoint(crypto, policy, fromUtf8(changed)).checkpoint));
    } catch (error) {
      if (!isMetersealError(error, 'bad-checkpoint', 'bad-encoding', 'policy-refused')) throw error;
    }
  }
  // Under `quorum none` a change may make the cosignature one of an unknown key; the head stays what it is.
  t.strictSame([...accepted], [parseNote(messages.checkpoint).text]);
});

t.test('without its cosignature the checkpoint of the vectors misses the quorum', async (t) => {
  const { text, signatures } = parseNote(messages.checkpoint);
  const bare = formatNote({ text, signatures: signatures.slice(0, 1) });
  t.equal(openCheckpoint(crypto, parsePolicy(crypto, messages.policy), bare).quorum, 'none');
  t.throws(() => openCheckpoint(crypto, parsePolicy(crypto, messages.policyQuorum), bare), REFUSED);
});

t.test('the checkpoint of another log of the same shape is accepted too', async (t) => {
  const policy = policyOf(`log ${chain.log_vkey}\n`, `witness w ${chain.witness_vkey}\n`, 'quorum w\n');
  const opened = openCheckpoint(crypto, policy, chain.cosigned_300_time_1700000000);
  t.equal(opened.checkpoint.size, 300);
  t.equal(opened.quorum, 'reached');
});

t.test('a checkpoint is refused unless a log named like its origin signed it', async (t) => {
  const policy = policyOf(logLine(1), logLine(2, 'operator.example/meterseal/box/1'), 'quorum none\n');
  t.equal(openCheckpoint(crypto, policy, note(signature(1))).checkpoint.origin, ORIGIN);
  for (const [what, text] of [
    ['no known signature', note(signature(3))],
    ['the other epoch’s key under its own name', note(signature(2, 'operator.example/meterseal/box/1'))],
    ['the other epoch’s key under this origin', note(signature(2))],
    ['damaged signature', note(damaged(signature(1)))],
    ['a damaged signature beside a good one', note(signature(1), damaged(signature(1)))],
    [
      'a damaged one of another known log',
      note(signature(1), damaged(signature(2, 'operator.example/meterseal/box/1'))),
    ],
    ['signature over another text', note(signature(1, ORIGIN, TEXT.replace('\n5\n', '\n6\n')))],
  ] as const) {
    t.throws(() => openCheckpoint(crypto, policy, text), REFUSED, what);
  }
  t.throws(
    () => openCheckpoint(crypto, policyOf('quorum none\n'), note(signature(1))),
    REFUSED,
    'no log at all',
  );
});

t.test('each epoch’s key opens its own checkpoints', async (t) => {
  const policy = policyOf(logLine(2, 'operator.example/meterseal/box/1'), logLine(1), 'quorum none\n');
  t.equal(
    toHex(openCheckpoint(crypto, policy, note(signature(1))).log.publicKey),
    toHex(signer(1).publicKey),
  );
});

t.test('signatures of unknown keys are ignored, whatever they are', async (t) => {
  const policy = policyOf(logLine(1), witnessLine(11), 'quorum none\n');
  const sharesName: NoteSignature = { ...signature(1), keyHash: Uint8Array.of(1, 2, 3, 4) };
  const sharesHash: NoteSignature = { ...signature(1), name: 'other.example' };
  const opened = openCheckpoint(crypto, policy, note(sharesName, sharesHash, signature(1), cosignature(12)));
  t.strictSame(opened.witnesses, []);
});

t.test(
  'a bad cosignature of a known witness refuses the note, even where no quorum is asked for',
  async (t) => {
    const policy = policyOf(logLine(1), witnessLine(11), 'quorum none\n');
    t.strictSame(openCheckpoint(crypto, policy, note(signature(1), cosignature(11))).witnesses, ['w11']);
    t.throws(() => openCheckpoint(crypto, policy, note(signature(1), damaged(cosignature(11)))), REFUSED);
  },
);

t.test('a witness that cosigned twice counts once', async (t) => {
  const policy = policyOf(logLine(1), witnessLine(11), witnessLine(12), 'group g 2 w11 w12\nquorum g\n');
  const twice = cosign(crypto, signer(11), 'w11.example', TEXT, 1_700_000_001);
  t.throws(() => openCheckpoint(crypto, policy, note(signature(1), cosignature(11), twice)), REFUSED);
  t.strictSame(
    openCheckpoint(crypto, policy, note(signature(1), cosignature(11), twice, cosignature(12))).witnesses,
    ['w11', 'w12'],
  );
});

t.test('a checkpoint with extension lines is refused', async (t) => {
  const text = `${TEXT}extension\n`;
  const extended = signNote(crypto, signer(1), ORIGIN, text);
  t.throws(() => openCheckpoint(crypto, policyOf(logLine(1), 'quorum none\n'), extended), REFUSED);
});

t.test('what is no checkpoint note at all is said to be malformed', async (t) => {
  const policy = policyOf(logLine(1), 'quorum none\n');
  t.throws(() => openCheckpoint(crypto, policy, ''), { code: 'bad-checkpoint' });
  t.throws(() => openCheckpoint(crypto, policy, signNote(crypto, signer(1), ORIGIN, 'hello\n')), {
    code: 'bad-checkpoint',
  });
});

t.test('nested groups reach the quorum by their thresholds', async (t) => {
  const lines = [11, 12, 13, 14, 15].map(witnessLine);
  const policy = policyOf(
    ...lines,
    'group X 2 w11 w12 w13\ngroup Y any w14 w15\ngroup XY all X Y\nquorum XY\n',
  );
  for (const [cosigned, expected] of [
    [[], false],
    [['w11', 'w12'], false],
    [['w14', 'w15'], false],
    [['w11', 'w14'], false],
    [['w11', 'w13', 'w15'], true],
    [['w11', 'w12', 'w13', 'w14', 'w15'], true],
  ] as const) {
    t.equal(reachesQuorum(policy, cosigned), expected, cosigned.join(' '));
  }
});

t.test('a thousand nested groups are judged without exhausting the stack', async (t) => {
  const groups = Array.from(
    { length: 1_000 },
    (_, i) => `group g${i} all ${i === 0 ? 'w11' : `g${i - 1}`}\n`,
  );
  const policy = policyOf(witnessLine(11), ...groups, 'quorum g999\n');
  t.ok(reachesQuorum(policy, ['w11']));
  t.notOk(reachesQuorum(policy, []));
});
