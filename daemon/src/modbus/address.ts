import { MetersealError } from '@meterseal/protocol';

/** How a serial line is set. Modbus RTU always has 8 data bits. */
export interface LineSettings {
  readonly baud: number;
  readonly data: 8;
  readonly parity: 'none' | 'even' | 'odd';
  readonly stop: 1 | 2;
}

export type BusAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | ({ readonly kind: 'rtu'; readonly path: string } & LineSettings);

export const BAUD_RATES = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200] as const;
export const PARITIES = ['none', 'even', 'odd'] as const;

const DEFAULT_LINE: LineSettings = { baud: 9600, data: 8, parity: 'none', stop: 1 };
const LINE_KEYS = ['baud', 'parity', 'stop', 'data'];
const FORMS = 'write tcp://HOST:PORT or rtu:///dev/ttyX?baud=9600&parity=none&stop=1';

/**
 * The address of a bus: `tcp://HOST:PORT`, or `rtu:///PATH?baud=…&parity=…&stop=…&data=8`.
 *
 * @param defaults what holds for a serial line where the address says nothing: what the profile knows of it
 * @throws MetersealError `misuse`, with the right form as hint; and if neither says speed and parity
 */
export function parseAddress(text: string, defaults: Partial<LineSettings> = DEFAULT_LINE): BusAddress {
  if (text.startsWith('tcp://')) return parseTcp(text);
  if (text.startsWith('rtu://')) return parseRtu(text, defaults);
  return refuse(text, 'neither tcp:// nor rtu://', FORMS);
}

/** The address in the form that `parseAddress` reads, every setting written out. */
export function formatAddress(address: BusAddress): string {
  if (address.kind === 'rtu') {
    const { path, baud, parity, stop, data } = address;
    return `rtu://${path}?baud=${baud}&parity=${parity}&stop=${stop}&data=${data}`;
  }
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `tcp://${host}:${address.port}`;
}

function parseTcp(text: string): BusAddress {
  const match = /^tcp:\/\/(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})$/.exec(text);
  if (match === null) {
    return refuse(text, 'not a host and a port', 'write tcp://HOST:PORT, the usual port of Modbus is 502');
  }
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) refuse(text, `port ${match[3]}`, 'a port is a number from 1 to 65535');
  return { kind: 'tcp', host: match[1] ?? match[2]!, port };
}

function parseRtu(text: string, defaults: Partial<LineSettings>): BusAddress {
  const match = /^rtu:\/\/(\/[^?#\s\p{Cc}]{1,255})(?:\?(.*))?$/u.exec(text);
  if (match === null) {
    return refuse(
      text,
      'not an absolute path',
      'three slashes: rtu:///dev/ttyUSB0?baud=9600&parity=none&stop=1',
    );
  }
  const given = new Map<string, string>();
  for (const pair of match[2] === undefined ? [] : match[2].split('&')) {
    const [key = '', value, ...more] = pair.split('=');
    if (!LINE_KEYS.includes(key)) {
      refuse(text, `unknown key ${JSON.stringify(key.slice(0, 40))}`, `known are ${LINE_KEYS.join(', ')}`);
    }
    if (value === undefined || more.length > 0) refuse(text, `${key} has no value`, `write ${key}=VALUE`);
    if (given.has(key)) refuse(text, `${key} stands twice`, 'name every key once');
    given.set(key, value!);
  }
  const choose = <T extends string | number>(key: string, choices: readonly T[], otherwise?: T): T => {
    const value = given.get(key);
    if (value === undefined) {
      return otherwise ?? refuse(text, `${key} is missing`, `add ${key}=…: the profile does not know it`);
    }
    const chosen = choices.find((choice) => String(choice) === value);
    return chosen ?? refuse(text, `${key}=${value.slice(0, 40)}`, `${key} is one of ${choices.join(', ')}`);
  };
  return {
    kind: 'rtu',
    path: match[1]!,
    baud: choose('baud', BAUD_RATES, defaults.baud),
    data: choose('data', [8] as const, 8),
    parity: choose('parity', PARITIES, defaults.parity),
    stop: choose('stop', [1, 2] as const, defaults.stop ?? 1),
  };
}

function refuse(text: string, why: string, hint: string): never {
  const shown = JSON.stringify(text.slice(0, 120));
  throw new MetersealError('misuse', `couldn't parse bus address ${shown}: ${why}`, { hint });
}
