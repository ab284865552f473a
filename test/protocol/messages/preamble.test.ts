import {
  ByteReader,
  finishMessage,
  fromUtf8,
  type MessageName,
  preamble,
  readMeter,
  startMessage,
  toHex,
  writeMeter,
} from '@meterseal/protocol';
import t from 'tap';
import { firstMeter, vectors } from '../message-vectors.js';

t.test('every message starts with its own domain', async (t) => {
  for (const [name, { message }] of Object.entries(vectors.messages)) {
    const start = toHex(preamble(name as MessageName));
    t.equal(fromUtf8(preamble(name as MessageName)), `meterseal/${name}/v0\n`);
    t.ok(message.startsWith(start), name);
    t.strictSame(toHex(startMessage(name as MessageName).done()), start);
  }
});

t.test('no domain is the beginning of another', async (t) => {
  const all = Object.keys(vectors.messages).map((name) => toHex(preamble(name as MessageName)));
  for (const a of all)
    t.strictSame(
      all.filter((b) => b.startsWith(a)),
      [a],
    );
});

t.test('a message names its meter by subject and commitment, and subject 0 is none', async (t) => {
  const bytes = writeMeter(startMessage('gap'), firstMeter).done().slice(preamble('gap').length);
  t.equal(bytes.length, 36);
  t.strictSame(readMeter(new ByteReader(bytes, 'bad-message')), firstMeter);
  bytes.fill(0, 0, 4);
  t.throws(() => readMeter(new ByteReader(bytes, 'bad-message')), { code: 'bad-message' });
});

t.test('a message is finished only when its reader has read all of it', async (t) => {
  const message = () => startMessage('gap').u8(1).u8(2);
  const skip = (from: ByteReader, bytes: number) => from.bytes(preamble('gap').length + bytes);
  t.equal(finishMessage(message(), (from) => skip(from, 2)).length, preamble('gap').length + 2);
  for (const bytes of [1, 3]) {
    t.throws(() => finishMessage(message(), (from) => skip(from, bytes)), { code: 'bad-argument' });
  }
});
