import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMetersealError } from '@meterseal/protocol';
import { addRecords, PRAGMAS, SQL } from 'meterseal/internal/agent/field-statements';
import type { SqlValue } from 'meterseal/internal/host/database';
import { Database } from 'meterseal/internal/host/database';
import t from 'tap';
import { temporaryFolder } from '../daemon/host/temporary-folder.js';
import { Dice } from './dice.js';
import { FieldTables, plainConnection } from './field-tables.js';

const SCHEMA = readFileSync(new URL('../../../daemon/src/agent/field-store.sql', import.meta.url), 'utf8');
const STATEMENTS = 2_000;

/** Arguments of each statement: few different ones, so that rows meet. */
function argumentsOf(dice: Dice, name: keyof typeof SQL): SqlValue[] {
  const id = (): string => dice.pick(['a', 'b', 'c']);
  const meter = (): number => dice.between(1, 4);
  const seq = (): number => dice.between(1, 12);
  const bytes = (): Uint8Array => Uint8Array.of(dice.below(5), dice.below(5));
  const collector = (): Uint8Array => Uint8Array.of(dice.below(2));
  const version = (): number => dice.below(2);
  const limit = (): number => dice.between(1, 6);
  const maybe = (): Uint8Array | null => (dice.chance(0.3) ? null : bytes());
  const receipts = (): string => {
    const rising = [...new Set(Array.from({ length: dice.below(4) }, seq))].sort((a, b) => a - b);
    return JSON.stringify(rising.map((number) => [number, version(), dice.below(1_000)]));
  };
  switch (name) {
    case 'meterById':
    case 'addMeter':
      return [id()];
    case 'meterByNumber':
    case 'forgetEnrolment':
    case 'nextSeq':
    case 'lastRecord':
    case 'lost':
    case 'deliveries':
      return [meter()];
    case 'saveOffer':
      return [dice.below(9), bytes(), bytes(), bytes(), meter()];
    case 'confirm':
    case 'takeSeq':
    case 'anchoredTo':
      return [seq(), meter()];
    case 'saveSerial':
      return [id(), meter()];
    case 'addRecord':
      return Array.from({ length: dice.between(1, 3) }, () => [
        meter(),
        seq(),
        version(),
        bytes(),
        bytes(),
      ]).flat();
    case 'addVoid':
      return [meter(), seq(), bytes(), bytes()];
    case 'standing':
      return [meter(), seq(), limit()];
    case 'record':
      return [meter(), seq()];
    case 'firstVersions':
      return [meter(), seq(), seq(), limit()];
    case 'allRecords':
      return [meter(), seq(), version(), limit()];
    case 'lowestWithin':
    case 'hashes':
    case 'removeRecords':
    case 'removeVoidDeliveries':
    case 'addLost':
      return [meter(), seq(), seq()];
    case 'unsentVoids':
      return [meter(), collector(), seq(), seq(), limit()];
    case 'receipts':
      return [receipts(), meter()];
    case 'delivery':
    case 'forgetVoidDeliveries':
      return [meter(), collector()];
    case 'saveDelivery':
      return [meter(), collector(), seq(), seq(), bytes(), maybe()];
    case 'chained':
      return [seq(), dice.below(1_000), meter(), collector()];
    case 'addVoidDelivery':
      return [meter(), collector(), seq()];
    case 'addEvent':
    case 'meta':
      return [id()];
    case 'removeEvent':
      return [dice.between(1, 40)];
    case 'saveMeta':
      return [id(), id()];
    case 'meters':
    case 'events':
    case 'integrity':
      return [];
  }
}

t.test('field.db in memory answers every statement as SQLite does', async (t) => {
  const folder = temporaryFolder(t);
  for (const seed of [1, 2, 3]) {
    const dice = new Dice(seed);
    const options = { pragmas: PRAGMAS.with(1, 'synchronous = OFF'), schema: SCHEMA };
    const sqlite = await Database.open(join(folder, `${seed}.db`), options);
    const memory = await Database.open(plainConnection(new FieldTables()), options);
    const both = [sqlite, memory];
    const names = Object.keys(SQL) as (keyof typeof SQL)[];
    for (let i = 0; i < STATEMENTS; ) {
      const isTransaction = dice.chance(0.2);
      const isBroken = dice.chance(0.3);
      const calls = Array.from({ length: isTransaction ? dice.between(1, 8) : 1 }, () => {
        const name = dice.pick(names);
        return { name, params: argumentsOf(dice, name) };
      });
      i += calls.length;
      const outcomes = await Promise.all(
        both.map(async (database) => {
          const outcome: unknown[] = [];
          const work = async (): Promise<void> => {
            for (const { name, params } of calls) outcome.push(await answerOf(database, name, params));
            if (isTransaction && isBroken) throw new Error('changed its mind');
          };
          await (isTransaction ? database.transaction(work).catch(() => {}) : work());
          return outcome;
        }),
      );
      t.strictSame(outcomes[1], outcomes[0], calls.map(({ name }) => name).join(', '));
    }
    for (const database of both) await database.close();
  }
});

async function answerOf(
  database: Database,
  name: keyof typeof SQL,
  params: readonly SqlValue[],
): Promise<unknown> {
  const sql = name === 'addRecord' ? addRecords(params.length / 5) : SQL[name];
  try {
    if (!/^(SELECT|PRAGMA)/.test(sql)) return { changes: (await database.run(sql, ...params)).changes };
    return (await database.all(sql, ...params)).map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [
          key,
          value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
        ]),
      ),
    );
  } catch (error) {
    if (isMetersealError(error)) return error.code;
    throw error;
  }
}
