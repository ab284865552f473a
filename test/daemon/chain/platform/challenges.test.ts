import { Challenges } from 'meterseal/internal/chain/platform/challenges';
import t from 'tap';
import { seededRandom } from '../test-box.js';

t.test('a challenge is good once, for its meter, for 60 s', (t) => {
  const challenges = new Challenges(seededRandom('challenges'));
  const one = challenges.issue('EM:1', 1, 0);
  t.equal(challenges.spend(one, 'EM:2', 1), 'challenge-unknown');
  t.equal(challenges.spend(one, 'EM:1', 59_999), 'good');
  t.equal(challenges.spend(one, 'EM:1', 59_999), 'challenge-unknown');
  const two = challenges.issue('EM:1', 1, 0);
  t.equal(challenges.spend(two, 'EM:1', 60_000), 'challenge-expired');
  t.end();
});

t.test('a meter keeps its last 8 challenges, all unknown meters together 64', (t) => {
  const challenges = new Challenges(seededRandom('challenges'));
  const known = Array.from({ length: 9 }, () => challenges.issue('EM:1', 1, 0));
  const unknown = Array.from({ length: 65 }, (_, i) => challenges.issue(`EM:${i + 10}`, 0, 0));
  t.equal(challenges.spend(known[0]!, 'EM:1', 1), 'challenge-unknown');
  t.equal(challenges.spend(known[1]!, 'EM:1', 1), 'good');
  t.equal(challenges.spend(unknown[0]!, 'EM:10', 1), 'challenge-unknown');
  t.equal(challenges.spend(unknown[1]!, 'EM:11', 1), 'good');
  t.end();
});
