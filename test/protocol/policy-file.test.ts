import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import {
  ALG_COSIGNATURE,
  ALG_ED25519,
  formatPolicy,
  formatVerifierKey,
  isMetersealError,
  parsePolicy,
  verifierKeyOf,
} from '@meterseal/protocol';
import t from 'tap';
import { vectorJson } from './vector.js';

const messages = vectorJson<{ policy: string; policyQuorum: string; origin: string }>('messages-v0.json');

const publicKey = (n: number) => crypto.keyFromSeed(new Uint8Array(32).fill(n)).publicKey;
const log = (n: number, name = `log.example/${n}`) =>
  formatVerifierKey(verifierKeyOf(crypto, name, ALG_ED25519, publicKey(n)));
const witness = (n: number) =>
  formatVerifierKey(verifierKeyOf(crypto, `w${n}.example`, ALG_COSIGNATURE, publicKey(n)));

t.test('the policies of the vectors are read', async (t) => {
  const plain = parsePolicy(crypto, messages.policy);
  t.strictSame(
    plain.logs.map((entry) => [entry.key.name, entry.url]),
    [[messages.origin, undefined]],
  );
  t.strictSame(
    plain.witnesses.map((entry) => [entry.name, entry.key.name]),
    [['w1', 'witness.example/w1']],
  );
  t.equal(plain.quorum, undefined);
  t.equal(parsePolicy(crypto, messages.policyQuorum).quorum, 'w1');
});

const FULL = [
  '# two epochs, two groups',
  `log ${log(1)}`,
  ` \tlog\t${log(2)}  https://log.example/2 `,
  '',
  `witness X1 ${witness(11)} https://x1.example/`,
  `witness X2 ${witness(12)}`,
  `witness X3 ${witness(13)}`,
  'group X 2 X1 X2 X3',
  `witness 电 ${witness(14)}`,
  'group Y any 电',
  '  # the quorum',
  'group XY all X Y',
  'quorum XY',
  '',
].join('\n');

t.test('a policy with groups, urls, comments and white space is read', async (t) => {
  const policy = parsePolicy(crypto, FULL);
  t.strictSame(
    policy.logs.map((entry) => entry.url),
    [undefined, 'https://log.example/2'],
  );
  t.equal(policy.witnesses[0]!.url, 'https://x1.example/');
  t.strictSame(policy.groups, [
    { name: 'X', threshold: 2, members: ['X1', 'X2', 'X3'] },
    { name: 'Y', threshold: 1, members: ['电'] },
    { name: 'XY', threshold: 2, members: ['X', 'Y'] },
  ]);
  t.equal(policy.quorum, 'XY');
});

t.test('a written policy says the same when it is read', async (t) => {
  for (const text of [FULL, messages.policy, messages.policyQuorum, 'quorum none\n']) {
    const policy = parsePolicy(crypto, text);
    t.strictSame(parsePolicy(crypto, formatPolicy(policy)), policy);
  }
});

t.test('a policy that is not of the specified form is refused, with the line', async (t) => {
  const one = `log ${log(1)}\nwitness a ${witness(11)}\nwitness b ${witness(12)}\n`;
  for (const [what, text] of [
    ['no quorum', one],
    ['empty', ''],
    ['last line not ended', 'quorum none'],
    ['two quorums', 'quorum none\nquorum none\n'],
    ['quorum of two names', `${one}quorum a b\n`],
    ['quorum without a name', 'quorum\n'],
    ['undefined quorum', `${one}quorum c\n`],
    ['quorum defined later', `quorum a\n${one}`],
    ['unknown keyword', 'Log x\nquorum none\n'],
    ['carriage return', 'quorum none\r\n'],
    ['byte order mark', '\ufeffquorum none\n'],
    ['zero', 'quorum none\n#\u0000\n'],
    ['delete character', 'quorum none\n#\u007f\n'],
    ['log without key', 'log\nquorum none\n'],
    ['log with two urls', `log ${log(1)} a b\nquorum none\n`],
    ['log with a damaged key', `log ${log(1)}A\nquorum none\n`],
    ['log with a witness key', `log ${witness(1)}\nquorum none\n`],
    ['witness with a log key', `witness a ${log(1)}\nquorum none\n`],
    ['witness without key', 'witness a\nquorum none\n'],
    ['log twice', `log ${log(1)}\nlog ${log(1)}\nquorum none\n`],
    ['log twice under two names', `log ${log(1)}\nlog ${log(1, 'other.example')}\nquorum none\n`],
    ['witness twice', `${one}witness c ${witness(11)}\nquorum none\n`],
    ['one key as log and witness', `log ${log(1)}\nwitness a ${witness(1)}\nquorum none\n`],
    ['name twice', `${one}witness a ${witness(13)}\nquorum none\n`],
    ['group named like a witness', `${one}group a any b\nquorum none\n`],
    ['witness named none', `witness none ${witness(11)}\nquorum none\n`],
    ['group named none', `${one}group none any a\nquorum none\n`],
    ['none as a member', `${one}group g any none\nquorum none\n`],
    ['group without members', `${one}group g any\nquorum none\n`],
    ['group of itself', `${one}group g any g\nquorum none\n`],
    ['member twice', `${one}group g any a a\nquorum none\n`],
    ['member of two groups', `${one}group g any a\ngroup h any a b\nquorum none\n`],
    ['threshold 0', `${one}group g 0 a b\nquorum none\n`],
    ['threshold above the members', `${one}group g 3 a b\nquorum none\n`],
    ['threshold with a leading zero', `${one}group g 01 a b\nquorum none\n`],
    ['threshold of another kind', `${one}group g most a b\nquorum none\n`],
  ] as const) {
    t.throws(() => parsePolicy(crypto, text), { code: 'bad-policy' }, what);
  }
  t.throws(() => parsePolicy(crypto, `${'#'.repeat(70_000)}\nquorum none\n`), { code: 'too-large' });
  try {
    parsePolicy(crypto, `# fine\nlog ${log(1)}A\nquorum none\n`);
    t.fail('accepted');
  } catch (error) {
    t.ok(isMetersealError(error, 'bad-policy'));
    t.match((error as Error).message, /line 2/);
  }
});
