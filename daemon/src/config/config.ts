import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { Holder } from '@meterseal/protocol';
import { holderBytes, keyFromBase64, MetersealError, toHex } from '@meterseal/protocol';
import { Ajv } from 'ajv';
import { parseDocument } from 'yaml';
import type { LogLevel } from '../host/logger.js';
import { durationBetween } from './duration.js';
import type { GateConfig, RawGate } from './gate-config.js';
import { gateConfigOf } from './gate-config.js';
import { lineOf } from './line.js';
import { at, describeSchemaError, refuse } from './refusal.js';
import { configSchema, MAX_METERS } from './schema.js';

export type MeterConfig = {
  readonly id: string;
  readonly unit: number;
  /** `manufacturer/model` */
  readonly profile: string;
  readonly holder: Holder;
  readonly codeFile: string;
  readonly identity: 'issued' | 'own';
  readonly acceptUnproven: boolean;
};

export type BusConfig = { readonly address: string; readonly meters: readonly MeterConfig[] };

export type CollectorConfig = {
  readonly url: string;
  readonly key: Uint8Array;
  readonly tokenFile?: string;
  readonly caFile?: string;
};

/** meterseal.yaml, checked and with its defaults. Durations in milliseconds, paths absolute. */
export type Config = {
  /** `<operator domain>/meterseal/<box>` */
  readonly platformId: string;
  readonly log: LogLevel;
  readonly field: {
    readonly intervalMs: number;
    readonly timeoutMs: number;
    readonly session: 'reused' | 'per-transmission';
    readonly buses: readonly BusConfig[];
  };
  readonly chain: { readonly sessionLifeMs: number; readonly sessionReadings: number };
  readonly gate: GateConfig;
  readonly collectors: readonly CollectorConfig[];
};

type RawMeter = {
  id: string;
  unit: number;
  profile: string;
  holder: Holder;
  'code-file': string;
  identity?: 'issued' | 'own';
  'accept-unproven'?: boolean;
};
export type RawBus = { address: string; meters: RawMeter[] };
type RawCollector = { url: string; 'key-file': string; 'token-file'?: string; 'ca-file'?: string };

/** meterseal.yaml as it is written. */
export type RawConfig = {
  site: { operator: string; box: string; log?: LogLevel };
  field?: {
    interval?: string;
    timeout?: string;
    session?: 'reused' | 'per-transmission';
    buses?: RawBus[];
  };
  chain?: { sessions?: { life?: string; readings?: number } };
  gate?: RawGate;
  collectors?: RawCollector[];
};

/** A configuration of 1,000 meters has some 200 KiB. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

const isValid = new Ajv({ strict: true, verbose: true }).compile<RawConfig>(configSchema);

/**
 * Reads meterseal.yaml.
 *
 * @param path of the file; paths in it are relative to its folder
 * @throws MetersealError `file-missing`, `bad-config`
 */
export function readConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't read configuration: ${path} cannot be opened`, {
      hint: 'Name the file with --config, or put it into the state folder as meterseal.yaml.',
      cause,
    });
  }
  return parseConfig(text, dirname(resolve(path)));
}

/**
 * @param folder that relative paths start from
 * @throws MetersealError `bad-config`, and `file-missing` for a key file that it names
 */
export function parseConfig(text: string, folder: string): Config {
  const raw = parseYaml(text);
  if (!isValid(raw)) refuse(describeSchemaError(isValid.errors?.[0]));

  const { site, field = {}, chain = {}, gate = {}, collectors = [] } = raw;
  const { sessions = {} } = chain;
  const lines = new Map<string, string>();
  const buses = busesOf(field.buses ?? [], folder, lines);
  return {
    platformId: `${site.operator}/meterseal/${site.box}`,
    log: site.log ?? 'info',
    field: {
      intervalMs: durationBetween('field.interval', field.interval ?? '15s', '100ms', '1d'),
      timeoutMs: durationBetween('field.timeout', field.timeout ?? '1s', '20ms', '1m'),
      session: field.session ?? 'reused',
      buses,
    },
    chain: {
      sessionLifeMs: durationBetween('chain.sessions.life', sessions.life ?? '24h', '1s', '30d'),
      sessionReadings: sessions.readings ?? 10_000,
    },
    gate: gateConfigOf(gate, lines),
    collectors: collectorsOf(collectors, folder),
  };
}

/** @throws MetersealError `bad-config` for what is not one YAML document, or names a key twice, or uses aliases */
function parseYaml(text: string): unknown {
  if (Buffer.byteLength(text) > MAX_CONFIG_BYTES) refuse(`more than ${MAX_CONFIG_BYTES} bytes`);
  const document = parseDocument(text, { version: '1.2', schema: 'core', strict: true, uniqueKeys: true });
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) refuse(problem.message.split('\n')[0]!.replace(/:$/, ''));
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    return refuse('aliases are not taken: write it out', undefined, cause);
  }
}

/**
 * Meter IDs are unique in a box, buses by what they are connected to, units on their bus.
 *
 * @param lines gets each line, with its place
 */
function busesOf(buses: readonly RawBus[], folder: string, lines: Map<string, string>): BusConfig[] {
  const ids = new Set<string>();
  const checked = buses.map(({ address, meters }, b) => {
    const place = `field.buses[${b}]`;
    const line = lineOf(address, `${place}.address`);
    if (lines.has(line)) refuse(`${place}.address: ${line} is a bus already`);
    lines.set(line, place);
    const units = new Set<number>();
    for (const [m, { id, unit, holder }] of meters.entries()) {
      if (ids.has(id)) refuse(`${place}.meters[${m}].id: meter ${id} is there already`);
      if (units.has(unit)) refuse(`${place}.meters[${m}].unit: unit ${unit} of this bus is taken already`);
      at(`${place}.meters[${m}].holder`, () => holderBytes(holder));
      ids.add(id);
      units.add(unit);
    }
    return { address, meters: meters.map((meter) => meterOf(meter, folder)) };
  });
  if (ids.size > MAX_METERS) refuse(`field.buses: ${ids.size} meters, at most ${MAX_METERS} are possible`);
  return checked;
}

function meterOf(raw: RawMeter, folder: string): MeterConfig {
  return {
    id: raw.id,
    unit: raw.unit,
    profile: raw.profile,
    holder: raw.holder,
    codeFile: resolve(folder, raw['code-file']),
    identity: raw.identity ?? 'issued',
    acceptUnproven: raw['accept-unproven'] ?? false,
  };
}

function collectorsOf(collectors: readonly RawCollector[], folder: string): CollectorConfig[] {
  const keys = new Set<string>();
  return collectors.map((raw, i) => {
    const place = `collectors[${i}]`;
    const url = urlOf(raw.url, `${place}.url`);
    const key = publicKeyOf(resolve(folder, raw['key-file']), `${place}.key-file`);
    if (keys.has(toHex(key))) refuse(`${place}.key-file: a collector with this key is there already`);
    keys.add(toHex(key));
    return {
      url,
      key,
      ...(raw['token-file'] === undefined ? {} : { tokenFile: resolve(folder, raw['token-file']) }),
      ...(raw['ca-file'] === undefined ? {} : { caFile: resolve(folder, raw['ca-file']) }),
    };
  });
}

/** Readings name meters, and a token is a secret: neither leaves this machine unencrypted. */
function urlOf(text: string, place: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return refuse(`${place}: ${JSON.stringify(text)} is not https://HOST[:PORT][/PATH]`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return refuse(
      `${place}: user, password, query and fragment have no place there`,
      'Use token-file for a secret.',
    );
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return refuse(
      `${place}: http:// goes to this machine only`,
      'Write https://, and ca-file where the certificate is your own.',
    );
  }
  return text;
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function publicKeyOf(path: string, place: string): Uint8Array {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new MetersealError(
      'file-missing',
      `couldn't read configuration: ${place}: ${path} cannot be opened`,
      {
        hint: 'The collector writes its public key at its first start, as collector.pub.',
        cause,
      },
    );
  }
  return at(place, () => keyFromBase64(text));
}
