import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CollectorClient } from 'meterseal/internal/delivery/collector-client';
import { HttpClient } from 'meterseal/internal/host/http-client';
import type { Test } from 'tap';
import t from 'tap';

/** A collector that answers everything with the same JSON, and keeps what it was asked. */
async function answering(t: Test, body: unknown): Promise<{ client: CollectorClient; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { client: new CollectorClient(new HttpClient({ url: `http://127.0.0.1:${port}` }, 'x')), asked };
}

t.test('a state that no collector can be in is refused', async (t) => {
  const good = { first: 3, seq: 2, runningHash: 'AAAA' };
  t.match(await (await answering(t, good)).client.state('EM:1'), good);
  const states = [
    null,
    [],
    {},
    { ...good, first: 0, seq: 0 },
    { ...good, seq: 1 },
    { ...good, seq: -1 },
    { ...good, first: '3' },
    { ...good, seq: 2.5 },
    { ...good, seq: 2 ** 60 },
    { ...good, runningHash: 7 },
    { ...good, statement: {} },
  ];
  for (const state of states) {
    const { client } = await answering(t, state);
    await t.rejects(client.state('EM:1'), { code: 'bad-message' }, JSON.stringify(state));
  }
});

t.test('a meter ID is named as it is, whatever is in it', async (t) => {
  const { client, asked } = await answering(t, { first: 1, seq: 0, runningHash: '' });
  await client.state('EM:1._-');
  t.equal(asked[0], 'GET /v1/state?meter=EM%3A1._-');
});

t.test('acknowledgements that are none are refused', async (t) => {
  for (const body of [
    null,
    {},
    [],
    { acknowledgements: 'x' },
    { acknowledgements: [7] },
    { acknowledgements: ['AAAA'] },
  ]) {
    const { client } = await answering(t, body);
    await t.rejects(client.deliver(new Uint8Array(1)), { code: 'bad-message' }, JSON.stringify(body));
    await t.rejects(client.stateGaps(new Uint8Array(1)), { code: 'bad-message' });
  }
  const { client } = await answering(t, { acknowledgements: [], conflicts: [] });
  t.same(await client.deliver(new Uint8Array(1)), []);
});
