import { concat, MAX_ANSWER_HEAD_BYTES, readAnswerHead, utf8 } from '@meterseal/protocol';
import t from 'tap';

const head = (...lines: string[]): Uint8Array => utf8(`${lines.join('\r\n')}\r\n\r\n`);

t.test('status, headers and length of an answer, and where its body starts', async (t) => {
  const bytes = head('HTTP/1.1 200 OK', 'Content-Type:text/plain; charset=utf-8 ', 'CONTENT-LENGTH: 5');
  const { status, headers, length, bytes: end } = readAnswerHead(concat(bytes, utf8('hello')))!;
  t.strictSame([status, length, end], [200, 5, bytes.length]);
  t.strictSame(
    [...headers],
    [
      ['content-type', 'text/plain; charset=utf-8'],
      ['content-length', '5'],
    ],
  );
  t.equal(readAnswerHead(head('HTTP/1.1 202 ', 'content-length: 0'))!.status, 202);
  t.equal(readAnswerHead(head('HTTP/1.1 503', 'content-length: 0', 'x:'))!.headers.get('x'), '');
  t.equal(readAnswerHead(head('HTTP/1.1 204 No Content'))!.length, 0, 'an answer that has no body');
});

t.test('a head that is not complete is waited for, whatever it will be', async (t) => {
  const bytes = head('HTTP/1.1 200 OK', 'content-length: 5');
  for (let length = 0; length < bytes.length; length++) {
    t.equal(readAnswerHead(bytes.subarray(0, length)), undefined, `${length} bytes`);
  }
});

t.test('what is no head, or does not say exactly how long the body is, is refused', async (t) => {
  const bad: Record<string, Uint8Array> = {
    'another protocol': head('HTTP/1.0 200 OK', 'content-length: 0'),
    'no status': head('HTTP/1.1 OK', 'content-length: 0'),
    'a status of four digits': head('HTTP/1.1 2000 OK', 'content-length: 0'),
    'no length': head('HTTP/1.1 200 OK'),
    'two lengths': head('HTTP/1.1 200 OK', 'content-length: 1', 'Content-Length: 1'),
    'a signed length': head('HTTP/1.1 200 OK', 'content-length: +1'),
    'a length in hex': head('HTTP/1.1 200 OK', 'content-length: 0x10'),
    'a length with zeros in front': head('HTTP/1.1 200 OK', 'content-length: 01'),
    'a length beyond all numbers': head('HTTP/1.1 200 OK', `content-length: ${'9'.repeat(17)}`),
    'an encoded body': head('HTTP/1.1 200 OK', 'content-length: 1', 'transfer-encoding: chunked'),
    'a folded header': head('HTTP/1.1 200 OK', 'content-length: 1', ' folded'),
    'a header without a name': head('HTTP/1.1 200 OK', 'content-length: 1', ': x'),
    'a bare line feed': head('HTTP/1.1 200 OK', 'content-length: 1\nx: y'),
    'other characters': head('HTTP/1.1 200 OK', 'content-length: 1', 'x: \u00e9'),
    'nothing before the empty line': utf8('\r\n\r\n'),
    'an endless head': utf8(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(MAX_ANSWER_HEAD_BYTES)}`),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    t.throws(() => readAnswerHead(bytes), { code: 'bad-message' }, what);
  }
});
