import { realpathSync } from 'node:fs';
import { parseAddress } from '../modbus/address.js';
import { at } from './refusal.js';

/**
 * What an address is connected to: a device by its own path, whichever link leads there.
 *
 * @param place how messages call it
 * @throws MetersealError `bad-config`
 */
export function lineOf(address: string, place: string): string {
  const parsed = at(place, () => parseAddress(address));
  if (parsed.kind === 'tcp') return `${parsed.host.toLowerCase()}:${parsed.port}`;
  try {
    return realpathSync(parsed.path);
  } catch {
    // Not plugged in at present.
    return parsed.path;
  }
}
