import { durationBetween } from './duration.js';
import type { HostPort } from './host-port.js';
import { parseHostPort } from './host-port.js';
import { lineOf } from './line.js';
import { at, refuse } from './refusal.js';

type ChannelConfig = { readonly unit?: number; readonly profile: string; readonly channel: number };

/** A relay in the line of the comparison, and the input that its auxiliary contact is wired to. */
export type RelayConfig = ChannelConfig & {
  readonly address: string;
  readonly contact: ChannelConfig;
  readonly pulseMs: number;
  readonly answerMs: number;
};

export type GateConfig = {
  readonly control: HostPort;
  readonly comparison: HostPort;
  readonly maxLeaseMs: number;
  readonly relay?: RelayConfig;
};

type RawRelay = {
  address: string;
  unit?: number;
  profile: string;
  channel: number;
  contact: { unit?: number; profile?: string; input: number };
  pulse?: string;
  timeout?: string;
};
/** As it is written. */
export type RawGate = {
  control?: string;
  'comparison-host'?: string;
  'comparison-port'?: number;
  'max-lease'?: string;
  relay?: RawRelay;
};

/**
 * The gate's part of the configuration.
 *
 * @param lines of the meters, by what they are connected to
 * @throws MetersealError `bad-config`
 */
export function gateConfigOf(gate: RawGate, lines: ReadonlyMap<string, string>): GateConfig {
  const control = at('gate.control', () => parseHostPort(gate.control ?? '127.0.0.1:7411', 'gate.control'));
  const comparison = { host: gate['comparison-host'] ?? control.host, port: gate['comparison-port'] ?? 0 };
  const maxLeaseMs = durationBetween('gate.max-lease', gate['max-lease'] ?? '1m', '1s', '1h');
  if (gate.relay === undefined) return { control, comparison, maxLeaseMs };
  if (comparison.host === control.host || [comparison.host, control.host].some(isAnyAddress)) {
    refuse(
      'gate.comparison-host: with a relay the comparison needs an address that the control port has not',
      'The relay cuts the line of the comparison; a collector asks to connect over another one, that of its collection.',
    );
  }
  return { control, comparison, maxLeaseMs, relay: relayOf(gate.relay, lines) };
}

function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

/** A jammed bus must not keep the link connected, and a relay must not wait for meters. */
function relayOf(relay: RawRelay, lines: ReadonlyMap<string, string>): RelayConfig {
  const { address, unit, profile, channel, contact } = relay;
  const bus = lines.get(lineOf(address, 'gate.relay.address'));
  if (bus !== undefined) {
    refuse(
      `gate.relay.address: ${bus} has meters on this line`,
      'A relay is on a port of its own: what jams a bus of meters must not keep the link connected.',
    );
  }
  const place = 'gate.relay';
  return {
    ...{ address, profile, channel },
    ...unitOf(unit),
    contact: {
      profile: contact.profile ?? profile,
      channel: contact.input,
      ...unitOf(contact.unit ?? (contact.profile === undefined ? unit : undefined)),
    },
    pulseMs: durationBetween(`${place}.pulse`, relay.pulse ?? '3s', '1s', '1m'),
    answerMs: durationBetween(`${place}.timeout`, relay.timeout ?? '300ms', '20ms', '1s'),
  };
}

function unitOf(unit: number | undefined): { unit?: number } {
  return unit === undefined ? {} : { unit };
}
