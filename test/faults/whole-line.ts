import { javascriptEngine as engine } from '@meterseal/native';
import { decodeRecord, readingHash, toHex } from '@meterseal/protocol';
import type { Test } from 'tap';
import { meterseal } from '../command-line.js';
import type { Line } from '../scenarios/line.js';
import { METERS } from '../scenarios/line.js';

const hex = (bytes: Uint8Array): string => toHex(new Uint8Array(bytes));

/**
 * Nothing lost, nothing doubled: field, chain and collector of a line that has come to rest hold the same readings under
 * the same gap-free numbers, each once; the outbox is empty, the comparison verifies all of them, `fsck` is clean. The box
 * is stopped then.
 *
 * @param starts how often the box was started
 * @returns the number of readings
 */
export async function assertWhole(t: Test, line: Line, starts: number): Promise<number> {
  const { chain: status, field } = await line.box.status();
  for (const { id, recordedTo, anchoredTo, acknowledgedTo } of field!.meters) {
    t.strictSame([anchoredTo, acknowledgedTo], [recordedTo, [recordedTo]], `${id}: the outbox is drained`);
  }
  t.equal(status!.sessions, METERS.length, 'every meter has a session again');

  const chain = await line.chain();
  const boots = chain.all('event').filter(({ entry }) => entry.event.kind === 'boot');
  t.ok(boots.length <= starts, `${boots.length} of ${starts} starts reached the chain`);
  t.equal(new Set(chain.all('block-close').map(({ entry }) => hex(entry.bootId))).size, boots.length);

  let readings = 0;
  for (const id of METERS) {
    const recorded = (await line.records(id)).map(({ bytes }) => new Uint8Array(bytes));
    readings += recorded.length;
    t.strictSame(
      recorded.map((bytes) => decodeRecord(bytes).seq),
      recorded.map((_, i) => i + 1),
      `${id}: no number is missing or used twice`,
    );
    const entries = chain.all('reading', await line.subjectOf(id));
    t.strictSame(
      entries.map(({ entry }) => [entry.seq, hex(entry.hash)]),
      recorded.map((bytes, i) => [i + 1, hex(readingHash(engine, bytes))]),
      `${id}: the chain has each reading once`,
    );
    t.strictSame(
      line.spooled(id).map(hex).sort(),
      recorded.map(hex).sort(),
      `${id}: the collector has each reading once`,
    );
    const opened = chain.all('session', await line.subjectOf(id)).at(-1)!;
    t.ok(
      opened.index > boots.at(-1)!.index || entries.at(-1)!.index < boots.at(-1)!.index,
      `${id}: its session is of this start`,
    );
  }

  const report = await line.box.compare();
  t.match(report, { outcome: 'judged', readings, verified: readings, tampered: [], unverifiable: [] });
  await line.box.stopBox();
  const fsck = await meterseal('fsck', '--state', line.state.root, '--json');
  t.match({ ...fsck, stdout: JSON.parse(fsck.stdout) }, { code: 0, stdout: { clean: true, findings: [] } });
  return readings;
}

/** How many readings the box holds; it need not run. */
export async function recordedBy(line: Line): Promise<number> {
  let recorded = 0;
  for (const id of METERS) recorded += (await line.records(id)).length;
  return recorded;
}

/** Waits until the box holds so many readings, and all of them are anchored and acknowledged. */
export function rest(line: Line, due: number): Promise<void> {
  return line.until('it has come to rest', ({ field }) => {
    const meters = field?.meters ?? [];
    return (
      meters.reduce((sum, { recordedTo }) => sum + recordedTo, 0) === due &&
      meters.every(
        ({ recordedTo, anchoredTo, acknowledgedTo }) =>
          anchoredTo === recordedTo && acknowledgedTo[0] === recordedTo,
      )
    );
  });
}

/** Waits until a moment of the monotonic clock; what is killed at it does not know. */
export async function moment(ms: number): Promise<void> {
  const at = performance.now() + ms;
  while (performance.now() < at) await new Promise((resolve) => setTimeout(resolve, 1));
}
