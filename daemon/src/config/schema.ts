/** The JSON Schema of meterseal.yaml; docs/configure.md explains each key. Unknown keys are refused. */

const duration = { type: 'string', pattern: '^[1-9][0-9]{0,8}(ms|s|m|h|d)$' };
const address = { type: 'string', pattern: '^(\\[[0-9a-fA-F:]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$' };
const path = { type: 'string', minLength: 1, maxLength: 1024 };

const object = (properties: Record<string, unknown>, required: string[] = []): Record<string, unknown> => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

const meter = object(
  {
    id: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,64}$' },
    unit: { type: 'integer', minimum: 1, maximum: 247 },
    profile: { type: 'string', pattern: '^[a-z0-9-]+/[a-z0-9.-]+$' },
    holder: {
      type: 'object',
      maxProperties: 32,
      propertyNames: { pattern: '^[A-Za-z][A-Za-z0-9-]{0,31}$' },
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
          pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$',
        },
        box: { type: 'string', pattern: '^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$' },
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
        maxItems: 64,
        items: object(
          {
            address: { type: 'string', minLength: 1, maxLength: 256 },
            meters: { type: 'array', minItems: 1, maxItems: 247, items: meter },
          },
          ['address', 'meters'],
        ),
      },
    }),
    chain: object({
      sessions: object({ life: duration, readings: { type: 'integer', minimum: 1, maximum: 1_000_000 } }),
    }),
    gate: object({ control: address, comparison: address, 'max-lease': duration }),
    collectors: {
      type: 'array',
      maxItems: 8,
      items: object(
        {
          url: { type: 'string', pattern: '^https?://[^\\s]+$' },
          'key-file': path,
          'token-file': path,
          'ca-file': path,
        },
        ['url', 'key-file'],
      ),
    },
  },
  ['site'],
);
