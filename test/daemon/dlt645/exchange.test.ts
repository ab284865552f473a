import type { Reception } from 'meterseal/internal/dlt645/exchange';
import { Exchange } from 'meterseal/internal/dlt645/exchange';
import { encodeRequest } from 'meterseal/internal/dlt645/frame';
import t from 'tap';
import { SeededRandom } from '../../protocol/seeded-random.js';
import { answerData, frameOf } from './frame-of.js';

const address = '000000000161';
const identifier = '00010000';
const question = { kind: 'read', address, identifier } as const;
const answer = (control: number, data: Uint8Array, from = address): Uint8Array =>
  frameOf({ address: from, control, data });
const VALUE = answer(0x91, answerData(identifier, '00000026'));

t.test('the value of the meter that was asked, and of what was asked', async (t) => {
  const exchange = new Exchange(question);
  t.same(exchange.begin(), encodeRequest(question));
  t.same(exchange.receive(VALUE.slice(0, 9)), { kind: 'incomplete' });
  t.ok(exchange.heard);
  t.same(exchange.receive(VALUE.slice(9)), { kind: 'data', address, data: Uint8Array.of(0x26, 0, 0, 0) });
  t.match(exchange.receive(VALUE), { kind: 'invalid', reason: /unsolicited/ });
});

t.test('frames of something else are passed over, and the answer behind them is found', async (t) => {
  const table: [string, Uint8Array][] = [
    ['another meter', answer(0x91, answerData(identifier, '00000099'), '000000000162')],
    ['another identifier', answer(0x91, answerData('00020000', '00000099'))],
    ['an echo', encodeRequest(question)],
    ['another reader', encodeRequest({ kind: 'read', address, identifier: '00020000' })],
    ['an answer to another question', answer(0x93, answerData(identifier, '00000099'))],
    ['the answer to a write', answer(0x94, answerData(identifier, '00000099'))],
    ['a part of a row', answer(0x92, answerData(identifier, '00000099', 1))],
    ['no identifier', answer(0x91, Uint8Array.of(0))],
    ['an error of another meter', answer(0xd1, Uint8Array.of(2), '000000000162')],
  ];
  for (const [what, bytes] of table) {
    const exchange = new Exchange(question);
    t.same(exchange.receive(bytes), { kind: 'incomplete' }, what);
    t.match(exchange.receive(VALUE), { kind: 'data' }, `behind ${what}`);
    t.match(new Exchange(question).receive(Uint8Array.of(...bytes, ...VALUE)), { kind: 'data' }, what);
  }
});

t.test('what should be the answer and is none ends it', async (t) => {
  const table: [string, Uint8Array, RegExp][] = [
    ['no value', answer(0x91, answerData(identifier, '')), /without a value/],
    ['a long error', answer(0xd1, Uint8Array.of(2, 0)), /error of 2 bytes/],
    ['twice', Uint8Array.of(...VALUE, ...VALUE), /several frames/],
    ['an error of which more follows', answer(0xf1, Uint8Array.of(2)), /control code f1/],
  ];
  for (const [what, bytes, reason] of table) {
    t.match(new Exchange(question).receive(bytes), { kind: 'invalid', reason }, what);
  }
});

t.test('a meter that refuses says why', async (t) => {
  t.same(new Exchange(question).receive(answer(0xd1, Uint8Array.of(2))), { kind: 'error', error: 2 });
});

t.test('an answer in parts is asked for part by part', async (t) => {
  const exchange = new Exchange(question);
  const next = (sequence: number): Reception => ({
    kind: 'more',
    bytes: encodeRequest({ kind: 'read-next', address, identifier, sequence }),
  });
  t.same(exchange.receive(answer(0xb1, answerData(identifier, '0201'))), next(1));
  t.same(exchange.receive(answer(0xb2, answerData(identifier, '0403', 1))), next(2));
  t.same(exchange.receive(answer(0x92, answerData(identifier, '05', 2))), {
    kind: 'data',
    address,
    data: Uint8Array.of(1, 2, 3, 4, 5),
  });
});

t.test('a part that is not the next one ends it', async (t) => {
  const table: [string, Uint8Array][] = [
    ['another place in the row', answer(0x92, answerData(identifier, '0403', 2))],
    ['nothing but its place', answer(0x92, answerData(identifier, '', 1))],
  ];
  for (const [what, bytes] of table) {
    const exchange = new Exchange(question);
    exchange.receive(answer(0xb1, answerData(identifier, '0201')));
    t.match(exchange.receive(bytes), { kind: 'invalid' }, what);
  }
  const exchange = new Exchange(question);
  exchange.receive(answer(0xb1, answerData(identifier, '0201')));
  t.same(exchange.receive(answer(0xb1, answerData(identifier, '0201'))), { kind: 'incomplete' }, 'twice');
  t.same(exchange.receive(answer(0x92, answerData('00020000', '0403', 1))), { kind: 'incomplete' });
  t.same(exchange.receive(answer(0xd2, Uint8Array.of(1))), { kind: 'error', error: 1 });
});

t.test('a row of parts without end ends', async (t) => {
  const exchange = new Exchange(question);
  let reception = exchange.receive(answer(0xb1, answerData(identifier, '00')));
  let parts = 1;
  while (reception.kind === 'more') {
    reception = exchange.receive(answer(0xb2, answerData(identifier, '00', parts)));
    parts += 1;
  }
  t.match(reception, { kind: 'invalid', reason: 'more than 16 parts in place of the answer' });
});

t.test('a meter tells its address, twice in one frame', async (t) => {
  const data = Uint8Array.from(Buffer.from(address, 'hex').reverse());
  t.same(new Exchange({ kind: 'read-address' }).receive(answer(0x93, data)), { kind: 'data', address, data });
  t.match(new Exchange({ kind: 'read-address' }).receive(answer(0x93, data, '000000000162')), {
    kind: 'invalid',
    reason: 'two addresses in place of the answer',
  });
});

t.test('late, foreign, doubled, torn, damaged and noisy answers never give a wrong value', async (t) => {
  const random = new SeededRandom(2007);
  const identifiers = ['00010000', '00020000', '02010100', '02020100'];
  const counts = { data: 0, other: 0 };
  for (let round = 0; round < 4_000; round++) {
    const meter = String(random.below(3)).padStart(12, '0');
    const asked = identifiers[random.below(4)]!;
    const exchange = new Exchange({ kind: 'read', address: meter, identifier: asked });
    // Every value says whose and of what it is, so that a wrong one shows.
    const numberOf = (from: string, of: string): string => `${from.slice(-2)}${of.slice(0, 4)}68`;
    const pieces = Array.from({ length: 1 + random.below(4) }, () => {
      const from = String(random.below(3)).padStart(12, '0');
      const of = identifiers[random.below(4)]!;
      const whole = frameOf({ address: from, control: 0x91, data: answerData(of, numberOf(from, of)) });
      const own = frameOf({ address: meter, control: 0x91, data: answerData(asked, numberOf(meter, asked)) });
      const at = random.below(own.length);
      return [
        whole,
        own,
        own.slice(0, at),
        own.slice(at),
        own.map((byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte)),
        Uint8Array.of(0xfe, 0xfe, ...own),
        random.bytes(random.below(12)).map((byte) => (byte < 64 ? 0x68 : byte)),
        frameOf({ address: meter, control: random.below(256), data: random.bytes(random.below(12)) }),
      ][random.below(8)]!;
    });
    const line = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
    let reception: Reception = { kind: 'incomplete' };
    for (let from = 0; from < line.length && reception.kind === 'incomplete'; ) {
      const to = from + 1 + random.below(30);
      reception = exchange.receive(line.slice(from, to));
      from = to;
    }
    // A frame whose length was damaged, and whose sum came out right by chance, has another length than the value.
    if (reception.kind !== 'data' || reception.data.length !== 4) {
      counts.other += 1;
      continue;
    }
    counts.data += 1;
    const value = Buffer.from(reception.data).reverse().toString('hex');
    if (value !== numberOf(meter, asked)) t.fail(`round ${round}: ${value}`);
  }
  t.ok(counts.data > 500 && counts.other > 500, JSON.stringify(counts));
});
