import { isMetersealError, MetersealError } from '@meterseal/protocol';
import type { ErrorObject } from 'ajv';

/** @throws MetersealError `bad-config`, always */
export function refuse(what: string, hint = 'docs/configure.md lists every key.', cause?: unknown): never {
  throw new MetersealError('bad-config', `couldn't read configuration: ${what}`, { hint, cause });
}

/** Reads a part of the configuration; what it refuses is told with its place, and keeps its hint. */
export function at<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!isMetersealError(error)) throw error;
    const why = error.message.replace(/^couldn't [^:]*: /, '');
    return refuse(`${place}: ${why}`, error.hint, error);
  }
}

/** What the schema refuses, in one line with its place: `field.buses[0].meters[1].unit: must be >= 1`. */
export function describeSchemaError(error: ErrorObject | undefined): string {
  if (error === undefined) return 'not accepted';
  const { keyword, instancePath, message = 'not accepted' } = error;
  const params = error.params as Record<string, unknown>;
  const place = placeOf(instancePath);
  const prefix = place === '' ? '' : `${place}: `;
  switch (keyword) {
    case 'additionalProperties':
      return `${prefix}unknown key ${JSON.stringify(params['additionalProperty'])}`;
    case 'required':
      return `${prefix}${params['missingProperty']} is missing`;
    case 'enum':
      return `${prefix}must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`;
    case 'pattern': {
      const { description } = (error.parentSchema ?? {}) as { description?: string };
      return `${prefix}${JSON.stringify(error.data)} is not ${description ?? 'accepted'}`;
    }
    default:
      return `${prefix}${message}`;
  }
}

/** `/field/buses/0/address` as `field.buses[0].address`. */
function placeOf(pointer: string): string {
  const parts = pointer.split('/').slice(1);
  return parts
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : `${i === 0 ? '' : '.'}${part}`))
    .join('');
}
