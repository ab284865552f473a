/**
 * The JSON Schema of meterseal.yaml; docs/configure.md explains each key. Unknown keys are refused. A `description` says
 * what belongs where a pattern is not kept: "is not <description>".
 */

/** Buses and meters of one box. A meter has its frame in every transmission, of which one holds 1,000. */
export const MAX_METERS = 1_000;
const MAX_BUSES = 64;
const MAX_COLLECTORS = 8;

const duration = {
  type: 'string',
  pattern: '^[1-9][0-9]{0,8}(ms|s|m|h|d)$',
  description: 'a duration with its unit, such as 250ms, 15s, 5m, 24h',
};
const path = { type: 'string', minLength: 1, maxLength: 1024 };

const object = (properties: Record<string, unknown>, required: string[] = []): Record<string, unknown> => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

const profile = {
  type: 'string',
  pattern: '^[a-z0-9][a-z0-9-]{0,31}/[a-z0-9][a-z0-9.-]{0,47}$',
  description: 'a profile, manufacturer/model',
};
/** Unit 0 is all boards at once: nobody answers, and each of them moves. */
const boardUnit = { type: 'integer', minimum: 1, maximum: 255 };
const channel = { type: 'integer', minimum: 1, maximum: 64 };

const relay = object(
  {
    address: { type: 'string', minLength: 1, maxLength: 300 },
    unit: boardUnit,
    profile,
    channel,
    contact: object({ unit: boardUnit, profile, input: channel }, ['input']),
    pulse: duration,
    timeout: duration,
  },
  ['address', 'profile', 'channel', 'contact'],
);

const meter = object(
  {
    id: {
      type: 'string',
      pattern: '^[A-Za-z0-9._:-]{1,64}$',
      description: 'a meter ID, 1 to 64 of A-Za-z0-9._:-',
    },
    // A DL/T 645 address has 12 digits; what a profile takes is checked with the profile.
    unit: { type: 'integer', minimum: 1, maximum: 999_999_999_998 },
    profile,
    holder: {
      type: 'object',
      maxProperties: 32,
      additionalProperties: { type: 'string', maxLength: 256 },
    },
    'code-file': path,
    identity: { type: 'string', enum: ['issued', 'own'] },
    'accept-unproven': { type: 'boolean' },
  },
  ['id', 'unit', 'profile', 'holder', 'code-file'],
);

export const configSchema = object(
  {
    site: object(
      {
        operator: {
          type: 'string',
          maxLength: 120,
          pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)+$',
          description: 'a domain name in lower case, such as grid.example',
        },
        box: {
          type: 'string',
          pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$',
          description: 'a name of 1 to 40 lower-case letters, digits and hyphens',
        },
        log: { type: 'string', enum: ['debug', 'info', 'warn', 'error', 'silent'] },
      },
      ['operator', 'box'],
    ),
    field: object({
      interval: duration,
      timeout: duration,
      session: { type: 'string', enum: ['reused', 'per-transmission'] },
      buses: {
        type: 'array',
        maxItems: MAX_BUSES,
        items: object(
          {
            address: { type: 'string', minLength: 1, maxLength: 300 },
            meters: { type: 'array', minItems: 1, maxItems: 247, items: meter },
          },
          ['address', 'meters'],
        ),
      },
    }),
    chain: object({
      sessions: object({ life: duration, readings: { type: 'integer', minimum: 1, maximum: 1_000_000 } }),
    }),
    gate: object({
      control: path,
      'comparison-host': {
        type: 'string',
        pattern: '^([0-9A-Fa-f:.]{2,45}|[A-Za-z0-9.-]{1,253})$',
        description: 'a host or an address, without a port',
      },
      'comparison-port': { type: 'integer', minimum: 0, maximum: 65_535 },
      'max-lease': duration,
      relay,
    }),
    collectors: {
      type: 'array',
      maxItems: MAX_COLLECTORS,
      items: object({ url: path, 'key-file': path, 'token-file': path, 'ca-file': path }, [
        'url',
        'key-file',
      ]),
    },
  },
  ['site'],
);
