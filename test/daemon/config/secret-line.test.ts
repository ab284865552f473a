import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSecretLine } from 'meterseal/internal/config/secret-line';
import t from 'tap';
import { temporaryFolder } from '../host/temporary-folder.js';

t.test('a secret is one line without spaces, with or without a line end', (t) => {
  const path = join(temporaryFolder(t), 'token');
  const write = (content: string): void => writeFileSync(path, content, { mode: 0o600 });
  for (const content of ['s3cret+/=', 's3cret+/=\n', 's3cret+/=\r\n']) {
    write(content);
    t.equal(readSecretLine(path, 'token'), 's3cret+/=');
  }
  for (const content of ['', '\n', 'two words', 'two\nlines', 'söcret', 'a\u0000b']) {
    write(content);
    t.throws(() => readSecretLine(path, 'token'), { code: 'file-unusable' }, JSON.stringify(content));
  }
  t.end();
});

t.test('a secret that others can read, or that is missing, is refused, and never quoted', (t) => {
  const path = join(temporaryFolder(t), 'token');
  t.throws(() => readSecretLine(path, 'collector token'), {
    code: 'file-missing',
    message: /^couldn't read collector token: /,
  });
  writeFileSync(path, 'very secret', { mode: 0o644 });
  const error = (() => {
    try {
      return readSecretLine(path, 'collector token');
    } catch (error) {
      return error as Error;
    }
  })();
  t.match(error, { code: 'file-unusable' });
  t.notMatch(String(error), /very secret/);
  t.end();
});
