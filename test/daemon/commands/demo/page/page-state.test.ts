import type { PageMessage, PageState } from 'meterseal/internal/commands/demo/page/page-state';
import { EMPTY_PAGE, nextPage } from 'meterseal/internal/commands/demo/page/page-state';
import t from 'tap';

const NAMES = { 'M-1': 'Bakery', 'M-2': 'Flat' };
const START = Date.parse('2026-01-01T00:00:00.000Z');

const after = (...messages: readonly PageMessage[]): PageState =>
  messages.reduce((state, message) => nextPage(state, message, NAMES), EMPTY_PAGE);

const reading = (meter: string, seq: number, seconds: number, watt?: string): PageMessage => ({
  reading: {
    meter,
    seq,
    time: new Date(START + 1_000 * seconds).toISOString(),
    values: [
      ...(watt === undefined ? [] : [{ obis: '1-0:16.7.0', value: watt }]),
      { obis: '1-0:1.8.0', value: `12345.67${seq % 10}` },
    ],
  },
});

const comparison = (changes: Partial<NonNullable<PageMessage['comparison']>> = {}): PageMessage => ({
  comparison: {
    outcome: 'judged',
    readings: 3,
    verified: 3,
    tampered: 0,
    unverifiable: 0,
    checkedAt: new Date(START).toISOString(),
    windowMs: 12,
    chain: { size: 9, root: 'ab' },
    switch: { grade: 2 },
    findings: [],
    ...changes,
  },
});

const TAMPERING = { meter: 'M-1', seq: 2, time: '', unit: 'kWh', was: '2', is: '1' };

t.test('a reading becomes a point of its meter, and meters stand in the order of their names', async (t) => {
  const { meters } = after(
    reading('M-2', 1, 0, '7'),
    reading('M-1', 4, 2, '100.5'),
    reading('M-1', 5, 4, '90'),
  );
  t.match(meters, [
    {
      id: 'M-1',
      name: 'Bakery',
      curve: [
        { seq: 4, time: START + 2_000, watt: 100.5, kwh: '12345.674' },
        { seq: 5, watt: 90 },
      ],
    },
    { id: 'M-2', name: 'Flat', curve: [{ seq: 1, watt: 7 }] },
  ]);
});

t.test('a reading that comes late, or twice, takes its place in the curve once', async (t) => {
  const { meters } = after(...[3, 1, 2, 2].map((seq) => reading('M-1', seq, 2 * seq, String(seq))));
  t.strictSame(
    meters[0]!.curve.map(({ seq }) => seq),
    [1, 2, 3],
  );
});

t.test('the curve has the last five minutes; a meter that did not answer leaves a gap', async (t) => {
  const { meters } = after(
    reading('M-1', 1, 0, '1'),
    reading('M-1', 2, 10, '2'),
    reading('M-1', 3, 100),
    reading('M-1', 4, 305, '4'),
  );
  t.strictSame(
    meters[0]!.curve.map(({ seq }) => seq),
    [2, 4],
  );
});

t.test(
  'a comparison is remembered with the head of the chain, and the first of its findings with their time',
  async (t) => {
    const found = { meter: 'M-1', seq: 2, verdict: 'tampered', reason: 'hash-differs' };
    const page = after(
      reading('M-1', 2, 5, '1'),
      { topic: 'compare' },
      comparison({
        tampered: 1,
        findings: [
          found,
          { ...found, seq: 9 },
          { ...found, verdict: 'unverifiable', reason: 'not-yet-anchored' },
        ],
      }),
    );
    t.match(page, { comparing: false, chain: { size: 9, root: 'ab', at: START, grade: 2 } });
    t.strictSame(page.last?.findings, [
      { meter: 'M-1', seq: 2, reason: 'hash-differs', time: START + 5_000 },
      { meter: 'M-1', seq: 9, reason: 'hash-differs' },
    ]);
  },
);

t.test('a comparison that did not see the chain leaves what was known of it', async (t) => {
  const page = after(
    comparison(),
    comparison({ outcome: 'platform-unreachable', chain: null, switch: null }),
  );
  t.match(page, { chain: { size: 9 }, last: { outcome: 'platform-unreachable', chain: null } });
  t.equal(page.history.length, 2);
});

t.test('the history has the latest comparisons, the latest first', async (t) => {
  const { history } = after(...Array.from({ length: 12 }, (_, i) => comparison({ windowMs: i })));
  t.strictSame(
    history.map(({ windowMs }) => windowMs),
    [11, 10, 9, 8, 7, 6, 5, 4],
  );
});

t.test(
  'what the insider changed is known until it is restored, and that until the next comparison',
  async (t) => {
    const changed = { topic: 'insider', payload: TAMPERING };
    const restored = { topic: 'insider', payload: null };
    t.match(after(restored), { tampering: null, restored: false }, 'nothing was changed at the start');
    t.match(after(changed), { tampering: TAMPERING, restored: false });
    t.match(after(changed, restored), { tampering: null, restored: true });
    t.match(after(changed, restored, comparison()), { restored: false });
  },
);

t.test('what fails is said in one line until something works again', async (t) => {
  const failed = {
    topic: 'insider-failed',
    payload: "meterseal: couldn't tamper: no [conflict]\n  hint: wait\n",
  };
  t.match(after(failed), { trouble: "couldn't tamper: no [conflict]" });
  t.match(after({ topic: 'compare' }, { error: { message: 'busy' } }), { comparing: false, trouble: 'busy' });
  t.match(after(failed, comparison()), { trouble: null });
});

t.test('the switch is shown as this side sees it', async (t) => {
  const since = new Date(START).toISOString();
  t.match(after({ switch: { state: 'connected', since } }), { link: { state: 'connected', since: START } });
});

t.test('a start forgets how the switch stood, and what was under way', async (t) => {
  const since = new Date(START).toISOString();
  const page = after(
    comparison(),
    { switch: { state: 'isolated', since } },
    { topic: 'compare' },
    { topic: 'start' },
  );
  t.match(page, { link: null, comparing: false, last: { outcome: 'judged' } });
});

t.test('a verdict on one reading, and any other message, changes nothing', async (t) => {
  const judged = { ...reading('M-1', 1, 0, '5'), verification: { verdict: 'verified' } };
  t.equal(nextPage(EMPTY_PAGE, judged, NAMES), EMPTY_PAGE);
  t.equal(nextPage(EMPTY_PAGE, { topic: 'else', payload: 1 }, NAMES), EMPTY_PAGE);
});
