import { LateReplies } from 'meterseal/internal/modbus/late-replies';
import type { RegisterRead } from 'meterseal/internal/modbus/register-read';
import { shapeOf } from 'meterseal/internal/modbus/register-read';
import t from 'tap';

const read = (count: number, at = 0): RegisterRead => ({ unit: 1, fc: 4, at, count });

/** The bookkeeping, and one meter's part in it. */
class Exchange {
  readonly late = new LateReplies();
  now = 0;

  registers(read: RegisterRead): void {
    this.late.sent(read, this.now);
    this.late.answeredWithRegisters(read);
  }

  exception(read: RegisterRead): void {
    this.late.sent(read, this.now);
    this.late.answeredWithException(read);
  }

  silence(read: RegisterRead): void {
    this.late.sent(read, this.now);
    this.late.unanswered(read);
  }

  mayBeSent(read: RegisterRead): boolean {
    return this.late.before(read, this.now) === 'nothing';
  }

  clearing(read: RegisterRead): RegisterRead {
    const before = this.late.before(read, this.now);
    if (typeof before === 'string') throw new Error(`no read is needed, but ${before}`);
    return before;
  }
}

/** A line that is clear, after a read of `count` registers. */
function cleared(count = 20): Exchange {
  const exchange = new Exchange();
  exchange.registers(read(count));
  return exchange;
}

t.test('after opening another length is read first', async (t) => {
  const exchange = new Exchange();
  const clearing = exchange.clearing(read(10));
  t.not(shapeOf(clearing), shapeOf(read(10)));
  t.equal(clearing.at, 0);
  exchange.registers(clearing);
  t.ok(exchange.mayBeSent(read(10)));
  exchange.late.opened();
  t.notOk(exchange.mayBeSent(read(10)));
});

t.test('the same length is not read twice in a row', async (t) => {
  const exchange = cleared(20);
  t.notOk(exchange.mayBeSent(read(20)), 'the answer could come a second time');
  t.ok(exchange.mayBeSent(read(8)));
  exchange.registers(read(8));
  t.ok(exchange.mayBeSent(read(20)));
});

t.test('the same length of another function code is no danger', async (t) => {
  t.ok(cleared(20).mayBeSent({ ...read(20), fc: 3 }));
});

t.test('what one unit did not answer is no danger to another', async (t) => {
  const exchange = cleared(20);
  exchange.silence({ ...read(8), unit: 2 });
  t.ok(exchange.mayBeSent(read(8)));
  t.notOk(exchange.mayBeSent({ ...read(8), unit: 2 }));
});

t.test('a line is cleared by a length that nothing outstanding has', async (t) => {
  const exchange = cleared(20);
  exchange.silence(read(8));
  const seen = new Set([shapeOf(read(20)), shapeOf(read(8))]);
  for (let i = 0; i < 6; i++) {
    const clearing = exchange.clearing(read(8));
    t.notOk(seen.has(shapeOf(clearing)), `length ${clearing.count}`);
    seen.add(shapeOf(clearing));
    exchange.silence(clearing);
  }
});

t.test('an exception to a read that clears the line proves nothing, three in a row do', async (t) => {
  const exchange = cleared(20);
  exchange.silence(read(8));
  for (let i = 0; i < 3; i++) {
    t.notOk(exchange.mayBeSent(read(8)), `after ${i} exceptions`);
    exchange.exception(exchange.clearing(read(8)));
  }
  t.ok(exchange.mayBeSent(read(8)));
});

t.test('an exception right after registers is certainly that of the last request', async (t) => {
  const exchange = cleared(20);
  exchange.exception(read(8));
  t.ok(exchange.mayBeSent(read(8)));
  t.ok(exchange.mayBeSent(read(20)));
});

t.test('unsolicited bytes make the line unclear', async (t) => {
  const exchange = cleared(20);
  exchange.late.unsolicited(1);
  t.notOk(exchange.mayBeSent(read(8)));
});

t.test('reads that the meter is known to answer come before guesses', async (t) => {
  const serial: RegisterRead = { unit: 1, fc: 3, at: 0xfc00, count: 2 };
  t.same(new LateReplies().before(serial, 0, [read(36)]), read(36));
});

t.test('with all lengths used up in a short time, only time clears the line', async (t) => {
  const exchange = new Exchange();
  let lengths = 0;
  while (exchange.late.before(read(2, 52), 0) !== 'time' && lengths < 200) {
    exchange.silence(exchange.clearing(read(2, 52)));
    lengths += 1;
  }
  t.ok(lengths > 5 && lengths < 200, `${lengths} lengths`);
  exchange.now = 9_999;
  t.equal(exchange.late.before(read(2, 52), exchange.now), 'time');
  exchange.now = 10_000;
  exchange.registers(exchange.clearing(read(2, 52)));
  t.ok(exchange.mayBeSent(read(2, 52)));
});

t.test('a meter that is dead for long never runs out of reads that clear the line', async (t) => {
  const exchange = new Exchange();
  for (; exchange.now < 1e8; exchange.now += 60_000) exchange.silence(exchange.clearing(read(2, 52)));
  exchange.registers(exchange.clearing(read(2, 52)));
  t.ok(exchange.mayBeSent(read(2, 52)));
});
