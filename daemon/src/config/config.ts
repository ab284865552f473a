import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Holder } from '@meterseal/protocol';
import { keyFromBase64, MetersealError } from '@meterseal/protocol';
import type { ErrorObject } from 'ajv';
import { Ajv } from 'ajv';
import { parseDocument } from 'yaml';
import type { LogLevel } from '../host/logger.js';
import { readPrivateFile } from '../host/private-file.js';
import { parseDuration } from './duration.js';
import { configSchema } from './schema.js';

export type HostPort = { readonly host: string; readonly port: number };

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
  readonly gate: { readonly control: HostPort; readonly comparison: HostPort; readonly maxLeaseMs: number };
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

type RawConfig = {
  site: { operator: string; box: string; log?: LogLevel };
  field?: {
    interval?: string;
    timeout?: string;
    session?: 'reused' | 'per-transmission';
    buses?: { address: string; meters: RawMeter[] }[];
  };
  chain?: { sessions?: { life?: string; readings?: number } };
  gate?: { control?: string; comparison?: string; 'max-lease'?: string };
  collectors?: { url: string; 'key-file': string; 'token-file'?: string; 'ca-file'?: string }[];
};

const isValid = new Ajv({ strict: true }).compile<RawConfig>(configSchema);

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

/** @throws MetersealError `bad-config`, and `file-missing` for a key file that it names */
export function parseConfig(text: string, folder: string): Config {
  const document = parseDocument(text, { uniqueKeys: true });
  const problem = document.errors[0];
  if (problem !== undefined) refuse(problem.message.split('\n')[0] ?? 'not YAML');
  const raw: unknown = document.toJS({ maxAliasCount: 0 });
  if (!isValid(raw)) refuse(describe(isValid.errors?.[0]));

  const { site, field = {}, chain = {}, gate = {}, collectors = [] } = raw;
  const buses = (field.buses ?? []).map(({ address, meters }) => ({
    address,
    meters: meters.map((meter) => meterOf(meter, folder)),
  }));
  checkUnique(buses);
  return {
    platformId: `${site.operator}/meterseal/${site.box}`,
    log: site.log ?? 'info',
    field: {
      intervalMs: parseDuration(field.interval ?? '15s'),
      timeoutMs: parseDuration(field.timeout ?? '1s'),
      session: field.session ?? 'reused',
      buses,
    },
    chain: {
      sessionLifeMs: parseDuration(chain.sessions?.life ?? '24h'),
      sessionReadings: chain.sessions?.readings ?? 10_000,
    },
    gate: {
      control: parseHostPort(gate.control ?? '127.0.0.1:7411', 'gate.control'),
      comparison: parseHostPort(gate.comparison ?? '127.0.0.1:0', 'gate.comparison'),
      maxLeaseMs: parseDuration(gate['max-lease'] ?? '1m'),
    },
    collectors: collectors.map((collector) => ({
      url: collector.url,
      key: keyFromBase64(readPublicKey(resolve(folder, collector['key-file']))),
      ...(collector['token-file'] === undefined
        ? {}
        : { tokenFile: resolve(folder, collector['token-file']) }),
      ...(collector['ca-file'] === undefined ? {} : { caFile: resolve(folder, collector['ca-file']) }),
    })),
  };
}

/** The one line of a secret's file. */
export function readSecretLine(path: string, what: string): string {
  return readPrivateFile(path, what).trim();
}

export function parseHostPort(text: string, what: string): HostPort {
  const colon = text.lastIndexOf(':');
  const port = Number(text.slice(colon + 1));
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  if (colon < 1 || !Number.isInteger(port) || port < 0 || port > 65_535 || host === '') {
    throw new MetersealError('bad-config', `couldn't read ${what}: ${JSON.stringify(text)} is not HOST:PORT`);
  }
  return { host, port };
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

function checkUnique(buses: readonly BusConfig[]): void {
  const ids = new Set<string>();
  const addresses = new Set<string>();
  for (const [b, bus] of buses.entries()) {
    if (addresses.has(bus.address)) refuse(`field.buses[${b}].address: this bus is there already`);
    addresses.add(bus.address);
    const units = new Set<number>();
    for (const [m, { id, unit }] of bus.meters.entries()) {
      if (ids.has(id)) refuse(`field.buses[${b}].meters[${m}].id: meter ${id} is there already`);
      if (units.has(unit))
        refuse(`field.buses[${b}].meters[${m}].unit: unit ${unit} of this bus is taken already`);
      ids.add(id);
      units.add(unit);
    }
  }
}

function readPublicKey(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't read collector key: ${path} cannot be opened`, {
      hint: 'The collector writes its public key at its first start, as collector.pub.',
      cause,
    });
  }
}

/** `/field/buses/0` as `field.buses[0]`, with what is wrong there. */
function describe(error: ErrorObject | undefined): string {
  if (error === undefined) return 'not a configuration';
  const place = error.instancePath
    .slice(1)
    .split('/')
    .map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))
    .join('')
    .replace(/^\./, '');
  const prefix = place === '' ? '' : `${place}: `;
  const params = error.params as {
    additionalProperty?: string;
    missingProperty?: string;
    allowedValues?: unknown[];
  };
  if (error.keyword === 'additionalProperties')
    return `${prefix}unknown key ${JSON.stringify(params.additionalProperty)}`;
  if (error.keyword === 'required') return `${prefix}${params.missingProperty} is missing`;
  if (error.keyword === 'enum') return `${prefix}must be one of ${params.allowedValues?.join(', ')}`;
  return `${prefix}${error.message ?? 'not accepted'}`;
}

function refuse(what: string): never {
  throw new MetersealError('bad-config', `couldn't read configuration: ${what}`, {
    hint: 'docs/configure.md lists every key.',
  });
}
