import { routeComparison } from 'meterseal/internal/gate/comparison-routes';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';

const HASH = 'ab'.repeat(32);

t.test('the comparison protocol passes, written anew', async (t) => {
  const passes: [string, string, number][] = [
    ['GET', '/checkpoint', 0],
    ['GET', '/entries?from=0&to=0', 0],
    ['GET', '/entries?from=10&to=4106', 0],
    ['GET', '/consistency?from=0&to=9007199254740991', 0],
    ['GET', '/tile/0/000', 0],
    ['GET', '/tile/3/x001/x234/067.p/12', 0],
    ['GET', '/tile/entries/000.p/1', 0],
    ['GET', `/verdicts/${HASH}`, 0],
    ['POST', '/verdicts', 3_072],
    ['POST', '/cosignatures', 512],
  ];
  for (const [method, url, bodyLimit] of passes) {
    t.same(
      routeComparison(method, url),
      { kind: 'forward', method, path: url, bodyLimit },
      `${method} ${url}`,
    );
  }
});

t.test('everything else does not', async (t) => {
  const refused: [string, string, number][] = [
    ['GET', '/', 404],
    ['GET', '', 404],
    ['GET', '*', 404],
    ['GET', '/v1/status', 404],
    ['POST', '/transitions?seq=1', 404],
    ['GET', '/transitions/last', 404],
    ['POST', '/v1/readings', 404],
    ['GET', '//checkpoint', 404],
    ['GET', '/checkpoint/', 404],
    ['GET', '/checkpoint/../v1/status', 404],
    ['GET', '/%63heckpoint', 404],
    ['GET', '/CHECKPOINT', 404],
    ['GET', 'http://elsewhere/checkpoint', 404],
    ['GET', '/checkpoint#x', 404],
    ['GET', `/verdicts/${HASH.toUpperCase()}`, 404],
    ['GET', `/verdicts/${HASH}0`, 404],
    ['GET', '/tile', 404],
    ['POST', '/checkpoint', 405],
    ['HEAD', '/checkpoint', 405],
    ['DELETE', '/entries?from=0&to=1', 405],
    ['GET', '/verdicts', 405],
    ['PUT', '/verdicts', 405],
    ['GET', '/cosignatures', 405],
    ['POST', `/verdicts/${HASH}`, 405],
    ['GET', '/checkpoint?', 400],
    ['GET', '/checkpoint?x=1', 400],
    ['POST', '/verdicts?x=1', 400],
    ['GET', `/verdicts/${HASH}?x`, 400],
    ['GET', '/entries', 400],
    ['GET', '/entries?from=0&to=4097', 400],
    ['GET', '/entries?from=2&to=1', 400],
    ['GET', '/entries?from=01&to=2', 400],
    ['GET', '/entries?from=0&to=1&to=9', 400],
    ['GET', '/entries?to=1&from=0', 400],
    ['GET', '/entries?from=-1&to=1', 400],
    ['GET', '/entries?from=0&to=1e3', 400],
    ['GET', '/entries?from=0&to=%31', 400],
    ['GET', '/consistency?from=0&to=9007199254740992', 400],
    ['GET', '/tile/0/000?x', 400],
    ['GET', '/tile/0/00', 400],
    ['GET', '/tile/0/x000/001', 400],
    ['GET', '/tile/64/000', 400],
    ['GET', '/tile/0/../../v1/status', 400],
  ];
  for (const [method, url, status] of refused) {
    const route = routeComparison(method, url);
    t.equal(route.kind === 'refuse' ? route.status : 'forward', status, `${method} ${url}`);
  }
});

t.test('no text, however it is put together, makes a path outside the protocol', async (t) => {
  const random = new SeededRandom(31);
  const parts = [
    '/',
    'checkpoint',
    'entries',
    'tile',
    'verdicts',
    HASH,
    '?from=',
    '&to=',
    '0',
    '1',
    '..',
    '%2f',
    '000',
    '.p/',
  ];
  const allowed =
    /^(\/checkpoint|\/(entries|consistency)\?from=\d+&to=\d+|\/tile\/[a-z0-9/.]+|\/verdicts(\/[0-9a-f]{64})?|\/cosignatures)$/;
  let forwarded = 0;
  for (let i = 0; i < 50_000; i++) {
    let url = '/';
    for (let n = random.below(7); n >= 0; n--) url += parts[random.below(parts.length)];
    const route = routeComparison(random.below(2) === 0 ? 'GET' : 'POST', url);
    if (route.kind !== 'forward') continue;
    forwarded++;
    if (!allowed.test(route.path) || route.path.includes('..')) t.fail(url);
  }
  t.ok(forwarded > 0, `${forwarded} of 50,000 are of the protocol`);
});
