import type { Clock } from '../../host/clock.js';
import type { Logger } from '../../host/logger.js';
import { parseAddress } from '../../modbus/address.js';
import { BitLine } from '../../modbus/bit-line.js';
import type { SwitchDriver } from '../driver.js';
import type { BoardPlace } from '../relay/board.js';
import { RelayBoard } from '../relay/board.js';
import { loadRelayProfile } from '../relay/profile.js';
import { ModbusRelayDriver } from './modbus-relay.js';
import type { ConnectionHandler } from './process.js';
import { ProcessDriver } from './process.js';

type ChannelOptions = {
  /** The profile's if not given. */
  readonly unit?: number;
  /** `manufacturer/model`, a file of hw-profiles/relays. */
  readonly profile: string;
  /** As printed on the board, from 1. */
  readonly channel: number;
};

/** A relay in the line of the comparison. */
export type RelayOptions = ChannelOptions & {
  /** Line of the boards, as a bus of meters is written; no meter is on it. */
  readonly address: string;
  /** The input to which the relay's auxiliary contact is wired. */
  readonly contact: ChannelOptions;
  readonly pulseMs: number;
  readonly answerMs: number;
};

export type DriverOptions = {
  /** Where the comparison is served. */
  readonly host: string;
  readonly port: number;
  readonly relay?: RelayOptions;
  readonly handler: ConnectionHandler;
  readonly clock: Clock;
  readonly log: Logger;
};

/**
 * The driver that the options ask for. Nothing is opened yet.
 *
 * @throws MetersealError `unknown-profile`, `bad-profile`, `misuse` for the address, `bad-config` for a board that cannot do it
 */
export function openDriver(options: DriverOptions): SwitchDriver {
  const { relay, clock, log } = options;
  const port = new ProcessDriver(options);
  if (relay === undefined) return port;
  const { pulseMs, answerMs } = relay;
  return new ModbusRelayDriver({ board: boardOf(relay, clock), port, pulseMs, answerMs, clock, log });
}

/** Boards and line of a relay, checked against their profiles. @throws as `openDriver` */
export function boardOf(relay: RelayOptions, clock: Clock): RelayBoard {
  const own = placeOf(relay);
  const { answerMs } = relay;
  const address = parseAddress(relay.address, own.profile.line);
  return new RelayBoard(new BitLine({ address, clock, answerMs }), own, placeOf(relay.contact));
}

function placeOf({ unit, profile: name, channel }: ChannelOptions): BoardPlace {
  const profile = loadRelayProfile(name);
  return { unit: unit ?? profile.unit, profile, channel };
}
