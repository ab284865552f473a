import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import t from 'tap';

/** A platform that answers everything with the same JSON. */
async function answering(body: unknown): Promise<PlatformClient> {
  const server = createServer((_request, response) => response.end(JSON.stringify(body)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return new PlatformClient(new HttpClient({ url: `http://127.0.0.1:${port}` }, 'the platform'));
}

const FRAME = { session: 1, sealed: new Uint8Array(80) };
const CONFIRM = { meter: 'EM:1', publicKey: '', signature: '' };

t.test('an answer of another shape than documented is refused', async (t) => {
  const session = { session: 1, expiresMs: 5, index: 2, last: null };
  const receipt = { checkpoint: 'note', results: [{ code: 'accepted', index: 4 }] };
  type Call = (client: PlatformClient) => Promise<unknown>;
  const submit: Call = (client) => client.submit([FRAME]);
  const openSession: Call = (client) => client.openSession({ ...CONFIRM, authentication: 1 });
  const authenticate: Call = (client) => client.authenticate({ meter: 'EM:1', challenge: '', signature: '' });
  const cases: [Call, unknown][] = [
    [(client) => client.challenge('EM:1'), { challenge: 7, origin: 'x' }],
    [(client) => client.challenge('EM:1'), ['challenge']],
    [(client) => client.confirm(CONFIRM), { index: 3 }],
    [(client) => client.confirm(CONFIRM), { index: 3, firstSeq: '1' }],
    [(client) => client.enrol({ meter: 'EM:1', holder: {}, code: '', sealTo: '' }), { publicKey: 'x' }],
    [authenticate, { result: 'accepted' }],
    [authenticate, { result: 'rejected', reason: 'because' }],
    [authenticate, { result: 'rejected', reason: 'toString' }],
    [openSession, { ...session, session: -1 }],
    [openSession, { ...session, last: undefined }],
    [openSession, { ...session, last: { seq: 1.5, hash: 'x' } }],
    [openSession, null],
    [submit, { ...receipt, checkpoint: undefined }],
    [submit, { ...receipt, results: [] }],
    [submit, { ...receipt, results: [null] }],
    [submit, { ...receipt, results: [{ code: 'fine', index: 4 }] }],
    [submit, { ...receipt, results: [{ code: 'accepted' }] }],
    [submit, { ...receipt, results: [{ code: 'duplicate', index: '4' }] }],
    [submit, { ...receipt, results: 'accepted' }],
  ];
  for (const [call, body] of cases) {
    const client = await answering(body);
    await t.rejects(call(client), { code: 'bad-message' }, JSON.stringify(body));
  }
  t.match(await submit(await answering({ ...receipt, results: [{ code: 'conflict' }] })), {
    checkpoint: 'note',
  });
  t.match(await openSession(await answering(session)), { last: null });
});
