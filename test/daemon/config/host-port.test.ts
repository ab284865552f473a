import { parseHostPort } from 'meterseal/internal/config/host-port';
import t from 'tap';

t.test('host and port are told apart', (t) => {
  t.same(parseHostPort('127.0.0.1:7411', 'x'), { host: '127.0.0.1', port: 7411 });
  t.same(parseHostPort('box.grid.example:0', 'x'), { host: 'box.grid.example', port: 0 });
  t.same(parseHostPort('[::1]:65535', 'x'), { host: '::1', port: 65_535 });
  t.end();
});

t.test('anything else is refused, with what it was meant for', (t) => {
  const bad = [
    '',
    ':',
    'a',
    'a:',
    ':1',
    'a:-1',
    'a:65536',
    'a:123456',
    'a:1.5',
    'a:0x10',
    '::1:80',
    '[::1]',
    '[x]:1',
    'a b:1',
    'a:1\n',
  ];
  for (const text of bad) {
    t.throws(
      () => parseHostPort(text, '--listen'),
      { code: 'bad-config', message: /^couldn't read --listen: .* is not HOST:PORT$/ },
      JSON.stringify(text),
    );
  }
  t.end();
});
