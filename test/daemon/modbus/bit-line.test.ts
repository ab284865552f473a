import { parseAddress } from 'meterseal/internal/modbus/address';
import { BitLine } from 'meterseal/internal/modbus/bit-line';
import { encodeRtuBitRequest } from 'meterseal/internal/modbus/bit-request';
import { withCrc } from 'meterseal/internal/modbus/crc';
import type { Transport } from 'meterseal/internal/modbus/port';
import t from 'tap';
import { VirtualClock } from '../host/virtual-clock.js';

const OFF_ECHO = encodeRtuBitRequest({ kind: 'write', unit: 1, at: 0, value: 0 });
const COILS_ON = withCrc(Uint8Array.of(1, 1, 1, 1));
const COILS_OFF = withCrc(Uint8Array.of(1, 1, 1, 0));

/** A serial line of which the test says what comes, and when; it keeps what was sent, and when. */
class Line implements Transport {
  readonly sent: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  answer: (n: number) => void = () => {};
  opens = true;
  receive: (bytes: Uint8Array) => void = () => {};
  lose: (reason: string) => void = () => {};
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  async open(onBytes: (bytes: Uint8Array) => void, onClosed: (reason: string) => void): Promise<void> {
    if (!this.opens) throw new Error('no such device');
    this.receive = onBytes;
    this.lose = onClosed;
  }

  write(bytes: Uint8Array): void {
    this.sent.push({ at: this.#clock.monotonic(), bytes });
    this.answer(this.sent.length);
  }

  async close(): Promise<void> {}
}

function bench() {
  const clock = new VirtualClock();
  const line = new Line(clock);
  const bits = new BitLine({
    address: parseAddress('rtu:///dev/none'),
    clock,
    answerMs: 300,
    transport: () => line,
  });
  return { clock, line, bits };
}

/** Lets time pass until the promise is settled. */
async function run<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  for (let ms = 0; ms < 20_000 && !isSettled; ms++) await clock.advance(1);
  return promise;
}

const after = (clock: VirtualClock, ms: number, then: () => void): void => void clock.sleep(ms).then(then);

t.test('one exchange at a time, and a gap between them', async (t) => {
  const { clock, line, bits } = bench();
  line.answer = (n) => after(clock, 20, () => line.receive(n === 1 ? OFF_ECHO : COILS_ON));
  const both = Promise.all([bits.write(1, 0, () => 0), bits.read(1, 1, 0, 8)]);
  await run(clock, both);
  const [written, coils] = await both;
  t.equal(written, true);
  t.strictSame(coils, [true, false, false, false, false, false, false, false]);
  const [first, second] = line.sent;
  t.ok(second!.at - first!.at >= 20 + 3.5, 'not before 3.5 characters after the answer');
});

t.test('what is to be written is asked for when it is sent, and may be nothing', async (t) => {
  const { clock, line, bits } = bench();
  t.equal(
    await run(
      clock,
      bits.write(1, 0, () => null),
    ),
    false,
  );
  t.equal(line.sent.length, 0);
});

t.test('after a lost answer the line is left alone, and what comes then is no answer', async (t) => {
  const { clock, line, bits } = bench();
  // The first answer is late, and would be one to the second request.
  line.answer = (n) => {
    if (n === 1) after(clock, 700, () => line.receive(COILS_ON));
    else after(clock, 10, () => line.receive(COILS_OFF));
  };
  const first = bits.read(1, 1, 0, 8).catch((error: unknown) => error);
  const second = bits.read(1, 1, 0, 8);
  await run(clock, second);
  t.match(await first, { code: 'no-answer', message: /coils of unit 1/ });
  t.strictSame((await second)[0], false);
  t.ok(line.sent[1]!.at - line.sent[0]!.at >= 700 + 500, 'half a second after the last byte');
});

t.test('a wrong answer is told, and costs half a second', async (t) => {
  const { clock, line, bits } = bench();
  line.answer = (n) => after(clock, 5, () => line.receive(n === 1 ? COILS_ON : OFF_ECHO));
  const first = bits.write(1, 0, () => 0).catch((error: unknown) => error);
  const second = bits.write(1, 0, () => 0);
  await run(clock, second);
  t.match(await first, { code: 'frame-invalid' });
  t.ok(line.sent[1]!.at - line.sent[0]!.at >= 505);
});

t.test('a board that refuses is told with its exception', async (t) => {
  const { clock, line, bits } = bench();
  line.answer = () => after(clock, 5, () => line.receive(withCrc(Uint8Array.of(1, 0x85, 3))));
  const refused = bits.write(1, 0x0200, () => 7).catch((error: unknown) => error);
  t.match(await run(clock, refused), { code: 'link-fault', message: /exception 3/ });
});

t.test('a line that is lost ends the exchange, and is opened again by the next', async (t) => {
  const { clock, line, bits } = bench();
  line.answer = (n) => {
    if (n === 1) after(clock, 5, () => line.lose('the device is gone'));
    else after(clock, 5, () => line.receive(OFF_ECHO));
  };
  const first = bits.write(1, 0, () => 0).catch((error: unknown) => error);
  t.match(await run(clock, first), { code: 'port-failed', message: /the device is gone/ });
  line.opens = false;
  const closed = bits.write(1, 0, () => 0).catch((error: unknown) => error);
  t.match(await run(clock, closed), { code: 'port-failed', message: /no such device/ });
  line.opens = true;
  t.equal(
    await run(
      clock,
      bits.write(1, 0, () => 0),
    ),
    true,
  );
});

t.test('a line that never falls silent is given up in bounded time', async (t) => {
  const { clock, line, bits } = bench();
  line.answer = () => {};
  const first = bits.write(1, 0, () => 0).catch((error: unknown) => error);
  let noisy = true;
  const noise = (): void => {
    line.receive(Uint8Array.of(0x55));
    if (noisy) after(clock, 100, noise);
  };
  after(clock, 1, noise);
  t.match(await run(clock, first), { code: 'frame-invalid' });
  const second = bits.write(1, 0, () => 0).catch((error: unknown) => error);
  t.match(await run(clock, second), { code: 'frame-invalid', message: /fall silent/ });
  noisy = false;
  t.equal(line.sent.length, 1);
});

t.test('a line that was closed does nothing any more', async (t) => {
  const { clock, line, bits } = bench();
  const first = bits.write(1, 0, () => 0).catch((error: unknown) => error);
  await run(clock, Promise.resolve());
  await bits.close();
  t.match(await first, { code: /stopped|port-failed/ });
  await t.rejects(
    bits.write(1, 0, () => 0),
    { code: 'stopped' },
  );
  t.ok(line.sent.length <= 1);
});
