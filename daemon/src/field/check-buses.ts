import type { BusConfig } from '../config/config.js';
import { at } from '../config/refusal.js';
import { planReads } from '../meters/plan.js';
import { loadProfile } from '../meters/profile-file.js';
import { parseAddress } from '../modbus/address.js';

/**
 * Whether each configured meter can be read by its profile: it is there and in order, says more than what sources disagree
 * on or that is accepted, and gives together with the bus address all settings of a serial line.
 *
 * @throws MetersealError `unknown-profile`, `bad-profile`, `bad-config`
 */
export function checkBuses(buses: readonly BusConfig[]): void {
  const profiles = new Map<string, ReturnType<typeof loadProfile>>();
  for (const [b, { address, meters }] of buses.entries()) {
    for (const [m, { profile: name, acceptUnproven }] of meters.entries()) {
      const profile = profiles.get(name) ?? loadProfile(name);
      profiles.set(name, profile);
      at(`field.buses[${b}].meters[${m}].profile`, () => planReads(profile, acceptUnproven));
    }
    at(`field.buses[${b}].address`, () => parseAddress(address, profiles.get(meters[0]!.profile)?.line));
  }
}
