import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { javascriptEngine as crypto } from '@meterseal/native/javascript';
import type { Collector, ReceiverServer, StoredReading } from '@meterseal/node-red-meterseal/core';
import { readSpoolFrames, serveReceiver } from '@meterseal/node-red-meterseal/core';
import type { Acknowledgement, CollectorState, ErrorBody, RecordsAnswer } from '@meterseal/protocol';
import { decodeSigned, fromBase64, isSignedBy, readAcknowledgement } from '@meterseal/protocol';
import type { Test } from 'tap';
import { openSample } from './sample-collector.js';
import { collectorKey } from './sample-meter.js';

export type Reply = { status: number; code: string | undefined; body: unknown };

/** A collector behind HTTP, spoken to as a field would. */
export async function start(
  t: { testdir(): string; teardown(end: () => Promise<void>): void },
  onStored?: (readings: readonly StoredReading[]) => void,
) {
  const dir = t.testdir();
  const collector: Collector = await openSample({ dir, ...(onStored === undefined ? {} : { onStored }) });
  const server: ReceiverServer = await serveReceiver(collector.receiver, { host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await server.close();
    await collector.close();
  });
  const ask = async (method: string, path: string, body?: Uint8Array | unknown): Promise<Reply> => {
    const isBytes = body instanceof Uint8Array;
    const type = isBytes ? 'application/octet-stream' : 'application/json';
    const answer = await fetch(`http://127.0.0.1:${server.address.port}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: isBytes ? Buffer.from(body) : JSON.stringify(body), headers: { 'content-type': type } }),
    });
    const text = await answer.text();
    const parsed = text === '' ? undefined : JSON.parse(text);
    return { status: answer.status, code: (parsed as ErrorBody | undefined)?.code, body: parsed };
  };
  const records = (body: Uint8Array): Promise<Reply> => ask('POST', '/v1/records', body);
  const gaps = (body: Uint8Array): Promise<Reply> => ask('POST', '/v1/gaps', body);
  const state = async (meter: string): Promise<CollectorState> =>
    (await ask('GET', `/v1/state?meter=${meter}`)).body as CollectorState;
  return { dir, collector, server, ask, records, gaps, state };
}

export function acknowledgements(t: Test, reply: Reply): Acknowledgement[] {
  return (reply.body as RecordsAnswer).acknowledgements.map((text) => {
    const signed = decodeSigned(fromBase64(text), readAcknowledgement);
    t.ok(isSignedBy(crypto, collectorKey.publicKey, signed), 'signed by the collector');
    return signed.value;
  });
}

export function stored(dir: string): string[] {
  const path = join(dir, 'spool', '00000001.spool');
  try {
    return readSpoolFrames(readFileSync(path)).map(({ record }) => Buffer.from(record).toString());
  } catch {
    return [];
  }
}
