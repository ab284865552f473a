import { isMetersealError } from '@meterseal/protocol';
import { formatAddress, parseAddress } from 'meterseal/internal/modbus/address';
import t from 'tap';

t.test('both forms of an address are read', async (t) => {
  t.same(parseAddress('tcp://gateway.example:502'), { kind: 'tcp', host: 'gateway.example', port: 502 });
  t.same(parseAddress('tcp://127.0.0.1:15020'), { kind: 'tcp', host: '127.0.0.1', port: 15_020 });
  t.same(parseAddress('tcp://[::1]:502'), { kind: 'tcp', host: '::1', port: 502 });
  t.same(parseAddress('rtu:///dev/ttyUSB0?baud=19200&parity=even&stop=2&data=8'), {
    kind: 'rtu',
    path: '/dev/ttyUSB0',
    baud: 19_200,
    data: 8,
    parity: 'even',
    stop: 2,
  });
});

t.test("what a serial address leaves out is the profile's, or 9600 8N1", async (t) => {
  t.match(parseAddress('rtu:///dev/ttyS1'), { baud: 9600, parity: 'none', stop: 1 });
  const line = { baud: 2400, data: 8, parity: 'even', stop: 2 } as const;
  t.match(parseAddress('rtu:///dev/ttyS1?parity=odd', line), { baud: 2400, parity: 'odd', stop: 2 });
});

t.test('what neither address nor profile says is not guessed', async (t) => {
  t.throws(() => parseAddress('rtu:///dev/ttyS1', {}), { code: 'misuse', message: /baud is missing/ });
  t.throws(() => parseAddress('rtu:///dev/ttyS1?baud=9600', {}), {
    message: /parity is missing/,
    hint: /add parity=/,
  });
  t.match(parseAddress('rtu:///dev/ttyS1?baud=9600', { parity: 'even' }), {
    parity: 'even',
    data: 8,
    stop: 1,
  });
  t.match(parseAddress('tcp://127.0.0.1:502', {}), { kind: 'tcp' });
});

t.test('an address written out is read as the same', async (t) => {
  for (const text of ['tcp://[fe80::1]:502', 'rtu:///dev/serial/by-id/usb-A_B-if00?baud=1200']) {
    const address = parseAddress(text);
    t.same(parseAddress(formatAddress(address)), address);
  }
});

t.test('anything else is refused with a hint', async (t) => {
  const bad = {
    '': 'neither',
    'http://host:502': 'neither',
    'tcp://host': 'host and a port',
    'tcp://host:0': 'port 0',
    'tcp://host:65536': 'port 65536',
    'tcp://host:502/': 'host and a port',
    'tcp://user@host:502': 'host and a port',
    'tcp://::1:502': 'host and a port',
    'tcp://ho st:502': 'host and a port',
    'rtu://dev/ttyS0': 'absolute path',
    'rtu:///dev/tty\u0000S0': 'absolute path',
    'rtu:///dev/ttyS0?': 'unknown key ""',
    'rtu:///dev/ttyS0?speed=9600': 'unknown key "speed"',
    'rtu:///dev/ttyS0?__proto__=1': 'unknown key "__proto__"',
    'rtu:///dev/ttyS0?baud': 'has no value',
    'rtu:///dev/ttyS0?baud=9601': 'baud=9601',
    'rtu:///dev/ttyS0?baud=9600&baud=9600': 'stands twice',
    'rtu:///dev/ttyS0?parity=mark': 'parity=mark',
    'rtu:///dev/ttyS0?stop=1.5': 'stop=1.5',
    'rtu:///dev/ttyS0?data=7': 'data=7',
  };
  for (const [text, why] of Object.entries(bad)) {
    let error: unknown;
    try {
      parseAddress(text);
    } catch (thrown) {
      error = thrown;
    }
    t.ok(isMetersealError(error, 'misuse') && error.message.includes(why) && error.hint, `${text}: ${why}`);
  }
});
