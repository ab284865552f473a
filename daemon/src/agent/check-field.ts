import type { Hasher } from '@meterseal/protocol';
import { decodeRecord, equalBytes, isMetersealError, readingHash } from '@meterseal/protocol';
import { FieldStore } from './field-store.js';

export type FieldCheck = { readonly records: number; readonly findings: readonly string[] };

/** Records that are looked at in one query. */
const PAGE = 1_000;

/** Checks every record of field.db: bytes, hash, meter and number, and that no number is missing or above the next. */
export async function checkField(path: string, hasher: Hasher): Promise<FieldCheck> {
  const findings: string[] = [];
  let records = 0;
  const store = await FieldStore.open(path, { readonly: true });
  try {
    findings.push(...(await store.integrity()).map((problem) => `field.db: ${problem}`));
    for (const meter of await store.meters()) {
      let expected: number | undefined;
      for (let behind = { seq: 0, version: 0 }; ; ) {
        const page = await store.allRecords(meter.number, behind, PAGE);
        for (const { seq, version, bytes, hash } of page) {
          const where = `field.db: record ${seq} of meter number ${meter.number}`;
          records++;
          if (version === 0 && expected !== undefined && seq < expected)
            findings.push(`${where}: number used twice`);
          if (seq >= meter.nextSeq) findings.push(`${where}: above the next number ${meter.nextSeq}`);
          expected = seq + 1;
          if (!equalBytes(readingHash(hasher, bytes), hash))
            findings.push(`${where}: its bytes do not hash to its hash`);
          findings.push(
            ...checkBytes(bytes, meter.id, seq, version).map((problem) => `${where}: ${problem}`),
          );
        }
        if (page.length < PAGE) break;
        behind = page.at(-1)!;
      }
    }
  } catch (error) {
    if (!isMetersealError(error, 'file-damaged')) throw error;
    findings.push(`field.db: ${error.message}`);
  } finally {
    await store.close();
  }
  return { records, findings };
}

function checkBytes(bytes: Uint8Array, meter: string, seq: number, version: 0 | 1): string[] {
  try {
    const record = decodeRecord(bytes);
    const problems: string[] = [];
    if (record.meter !== meter || record.seq !== seq) problems.push('it names another meter or number');
    if ((record.void !== undefined) !== (version === 1)) problems.push('it is void in the wrong place');
    return problems;
  } catch (error) {
    if (!isMetersealError(error)) throw error;
    return [error.message];
  }
}
