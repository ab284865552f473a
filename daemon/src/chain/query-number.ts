import { MAX_INTEGER, MetersealError } from '@meterseal/protocol';

/**
 * A number of a query string: decimal, without sign and leading zeros.
 *
 * @throws MetersealError `bad-request` for anything else, and for a number that is given twice or is missing
 */
export function readNumber(query: Readonly<Record<string, unknown>>, name: string): number {
  const text = query[name];
  const value = typeof text === 'string' && /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (value <= MAX_INTEGER) return value;
  throw new MetersealError('bad-request', `couldn't read request: ${name} is not a number`);
}
