import { spawnSync } from 'node:child_process';
import { javascriptEngine } from '@meterseal/native/javascript';
import { MetersealError } from '@meterseal/protocol';
import { createLogger } from 'meterseal/internal/host/logger';
import t from 'tap';

function logged(write: (log: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  const log = createLogger('debug', {
    write: (line) => {
      text += line;
    },
  });
  write(log);
  return text;
}

t.test('one call makes one line, whatever a meter or a peer says', (t) => {
  const hostile = 'SN1\n{"level":"fatal","msg":"forged"}\r\u0000\u001b[2J\u0085\u007f\u009b1m\u2028\u2029end';
  const text = logged((log) => {
    log.warn({ serial: hostile, nested: { list: [hostile] } }, 'meter changed');
    log.warn({ [hostile]: 1 }, 'a key');
    log.error(
      { err: new MetersealError('bad-message', hostile, { hint: hostile, cause: new Error(hostile) }) },
      'x',
    );
    log.error({ err: new Error(hostile) }, 'not foreseen');
  });
  const lines = text.split(/[\n\r\u0085\u2028\u2029]/);
  t.equal(lines.pop(), '');
  t.equal(lines.length, 4);
  t.notMatch(text.replaceAll('\n', ''), /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  t.equal((JSON.parse(lines[0]!) as { serial: string }).serial, hostile, 'nothing of it is lost');
  for (const line of lines) t.ok(JSON.parse(line));
  t.end();
});

t.test('an error of ours is code, message and hint; the stack is told of what nobody foresaw', (t) => {
  const cause = new Error('ECONNREFUSED');
  const ours = new MetersealError('unreachable', "couldn't reach the platform", { hint: 'Start it.', cause });
  const text = logged((log) => {
    log.warn({ err: ours }, 'failed');
    log.warn({ err: new TypeError('x is undefined') }, 'failed');
    log.warn({ err: 'a text' }, 'failed');
  });
  const [first, second, third] = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).err);
  t.same(first, {
    code: 'unreachable',
    message: "couldn't reach the platform",
    hint: 'Start it.',
    cause: 'ECONNREFUSED',
  });
  t.match(second, { message: 'x is undefined', stack: /TypeError: x is undefined\n/ });
  t.same(third, { message: 'a text' });
  t.end();
});

t.test('secrets are not logged, neither keys nor what an error carries along', (t) => {
  const seed = new Uint8Array(32).fill(0xa7);
  const key = javascriptEngine.keyFromSeed(seed);
  const error = Object.assign(new MetersealError('unreachable', "couldn't reach the collector"), {
    request: { headers: { authorization: 'Bearer very-secret' } },
    endpoint: { token: 'very-secret' },
  });
  const text = logged((log) => {
    log.info({ key, session: { number: 7, key } }, 'session opened');
    log.warn({ err: error }, 'failed');
  });
  t.match(text, /\[signing key\]/);
  t.notMatch(text, /very-secret/);
  for (const encoding of ['hex', 'base64'] as const)
    t.notOk(text.includes(Buffer.from(seed).toString(encoding)));
  t.notOk(text.includes('167,167,167'));
  t.end();
});

t.test('levels below the chosen one are silent', (t) => {
  const lines: string[] = [];
  const log = createLogger('warn', { write: (line) => lines.push(line) });
  log.info('no');
  log.warn('yes');
  t.equal(lines.length, 1);
  t.match(JSON.parse(lines[0]!), { level: 'warn', msg: 'yes', time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ });
  createLogger('silent', { write: () => t.fail('silent') }).fatal('no');
  t.end();
});

t.test('the lines go to standard error, and are there when the process ends at once', (t) => {
  const module = import.meta.resolve('meterseal/internal/host/logger');
  const script = `const { createLogger } = await import(${JSON.stringify(module)});
    createLogger().fatal({ err: new Error('the end') }, 'a role failed'); process.exit(10);`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  t.equal(status, 10);
  t.equal(stdout, '');
  t.match(JSON.parse(stderr), { level: 'fatal', msg: 'a role failed', err: { message: 'the end' } });
  t.end();
});
