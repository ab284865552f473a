import { platformOf } from '@meterseal/node-red-meterseal/internal/controllers/platform';
import { formatVerifierKey } from '@meterseal/protocol';
import t from 'tap';
import { SampleChain } from '../collector/sample-chain.js';
import { PLATFORM_ID } from '../collector/sample-meter.js';

const key = formatVerifierKey(SampleChain.policyOf(new SampleChain()).logs[0]!.key);
const POLICY = `log ${key}\nquorum none\n`;

t.test('a platform is its ID and a policy that names its chain', async (t) => {
  t.equal(platformOf(PLATFORM_ID, POLICY).policy.logs.length, 1);
});

t.test("a policy without the platform's chain is refused, and so is one that is none", async (t) => {
  t.throws(() => platformOf('other.example/meterseal/box', POLICY), {
    code: 'bad-policy',
    hint: /state folder/,
  });
  t.throws(() => platformOf(PLATFORM_ID, 'quorum none\n'), { code: 'bad-policy' });
  t.throws(() => platformOf(PLATFORM_ID, 'anything else'), { code: 'bad-policy' });
});
