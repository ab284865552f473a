import type { BusConfig } from '../config/config.js';
import { at, refuse } from '../config/refusal.js';
import { planReads } from '../meters/plan.js';
import { loadProfile } from '../meters/profile-file.js';
import { checkBusOf, unitRange } from '../meters/unit.js';
import { parseAddress } from '../modbus/address.js';

/**
 * Whether each configured meter can be read by its profile: it is there and in order, says more than what sources disagree
 * on or that is accepted, gives together with the bus address all settings of a serial line, and fits bus and unit.
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
    const place = `field.buses[${b}]`;
    const bus = at(`${place}.address`, () => parseAddress(address, profiles.get(meters[0]!.profile)?.line));
    for (const [m, { unit, profile: name }] of meters.entries()) {
      const profile = profiles.get(name)!;
      at(`${place}.meters[${m}].profile`, () => checkBusOf(profile, bus));
      // A meter behind a gateway is on a serial line too.
      const [, most] = unitRange(profile, 'rtu');
      if (unit > most) refuse(`${place}.meters[${m}].unit: must be <= ${most}`);
    }
  }
}
