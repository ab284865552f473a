import { parseObis } from '@meterseal/protocol';

/** Units of readings; `1` for a plain number. */
export const UNITS = [
  ...['kWh', 'Wh', 'kvarh', 'varh', 'kVAh', 'VAh'],
  ...['kW', 'W', 'kvar', 'var', 'kVA', 'VA', 'V', 'A', 'Hz', '%', '°', '1'],
];

const ACTIVE = ['W', 'kW'];
const REACTIVE = ['var', 'kvar'];
const APPARENT = ['VA', 'kVA'];

/** By C, that of all phases together. Of C from 128 on, the manufacturers' range, only what our profiles use. */
const MOMENTARY: Readonly<Record<number, readonly string[]>> = {
  ...Object.fromEntries([1, 2, 15, 16, 17, 18, 19, 20].map((c) => [c, ACTIVE])),
  ...Object.fromEntries([3, 4, 5, 6, 7, 8, 131].map((c) => [c, REACTIVE])),
  9: APPARENT,
  10: APPARENT,
  11: ['A'],
  12: ['V'],
  13: ['1'],
  14: ['Hz'],
  81: ['°'],
};

/**
 * Units that a value under this code can have (IEC 62056-6-1: C is the quantity, D how it is processed): momentary
 * values for D = 7, what has been counted for D = 8. Undefined for codes that this table does not know.
 */
export function unitsOfObis(obis: string): readonly string[] | undefined {
  const [, , c, d, e] = parseObis(obis) ?? [];
  if (c === undefined || (d !== 7 && d !== 8)) return undefined;
  const quantity = quantityOf(c);
  if (d === 7) return e === 124 && (quantity === 11 || quantity === 12) ? ['%'] : MOMENTARY[quantity];
  const power = MOMENTARY[quantity];
  if (power !== ACTIVE && power !== REACTIVE && power !== APPARENT) return undefined;
  return power.map((unit) => `${unit}h`);
}

/** The phase that a code belongs to, 1 to 3; undefined for the meter as a whole. */
export function phaseOfObis(obis: string): number | undefined {
  const c = parseObis(obis)?.[2];
  if (c === undefined) return undefined;
  if (c >= 21 && c <= 80) return Math.floor((c - 1) / 20);
  return c === 151 || c === 171 || c === 191 ? (c - 131) / 20 : undefined;
}

/** C = 21…80 repeat 1…20 for each phase; 151, 171 and 191 are 131 of one phase. */
function quantityOf(c: number): number {
  if (c >= 21 && c <= 80) return ((c - 1) % 20) + 1;
  return c === 151 || c === 171 || c === 191 ? 131 : c;
}
