import type {
  AuthenticationRequest,
  ChallengeRequest,
  ConfirmRequest,
  EnrolmentRequest,
  SessionRequest,
} from '@meterseal/protocol';
import { fromUtf8, MAX_BODY_BYTES, MAX_INTEGER, MAX_NOTE_BYTES, MetersealError } from '@meterseal/protocol';
import type { ApiServer } from '../../host/api-server.js';
import { createApiServer } from '../../host/api-server.js';
import type { Logger } from '../../host/logger.js';
import type { Chain } from '../commit.js';
import type { Platform } from './platform.js';
import { examineReceipt } from './receipts.js';

const meter = { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,64}$' };
/** 32 and 64 bytes in padded base64. */
const bytes32 = { type: 'string', pattern: '^[A-Za-z0-9+/]{43}=$' };
const bytes64 = { type: 'string', pattern: '^[A-Za-z0-9+/]{86}==$' };
const index = { type: 'integer', minimum: 0, maximum: MAX_INTEGER };
const holder = {
  type: 'object',
  maxProperties: 64,
  additionalProperties: { type: 'string', maxLength: 1024 },
};

const JSON_BODY_LIMIT = 16_384;

function route(properties: Record<string, object>, optional: readonly string[] = []): object {
  const required = Object.keys(properties).filter((key) => !optional.includes(key));
  const body = { type: 'object', additionalProperties: false, properties, required };
  return { schema: { body }, bodyLimit: JSON_BODY_LIMIT };
}

/** Interface 1 as HTTP; docs/formats.md has the calls. */
export function createPlatformServer(platform: Platform, chain: Chain, log: Logger): ApiServer {
  const app = createApiServer({ bodyLimit: JSON_BODY_LIMIT, log });
  const { enrolments, authentications, sessions, readings, acknowledgements, events, revocations } = platform;

  app.post<{ Body: EnrolmentRequest }>(
    '/v1/enrolments',
    route(
      {
        meter,
        holder,
        code: { type: 'string', minLength: 1, maxLength: 256 },
        sealTo: bytes32,
        publicKey: bytes32,
      },
      ['sealTo', 'publicKey'],
    ),
    ({ body }) => {
      if ('sealTo' in body === 'publicKey' in body) {
        throw new MetersealError(
          'bad-request',
          "couldn't enrol meter: exactly one of sealTo and publicKey belongs there",
        );
      }
      return enrolments.request(body);
    },
  );
  app.post<{ Body: ConfirmRequest }>(
    '/v1/enrolments/confirm',
    route({ meter, publicKey: bytes32, signature: bytes64 }),
    ({ body }) => enrolments.confirm(body),
  );
  app.post<{ Body: ChallengeRequest }>('/v1/challenges', route({ meter }), async ({ body }) =>
    authentications.challenge(body),
  );
  app.post<{ Body: AuthenticationRequest }>(
    '/v1/authentications',
    route({ meter, challenge: bytes32, signature: bytes64 }),
    async ({ body }) => {
      await revocations.apply();
      return authentications.authenticate(body);
    },
  );
  app.post<{ Body: SessionRequest }>(
    '/v1/sessions',
    route({ meter, authentication: index, publicKey: bytes32, signature: bytes64 }),
    async ({ body }) => {
      await revocations.apply();
      return sessions.open(body);
    },
  );
  app.post('/v1/readings', { bodyLimit: MAX_BODY_BYTES }, async ({ body }) => {
    await revocations.apply();
    return readings.submit(binary(body));
  });
  app.post('/v1/acknowledgements', { bodyLimit: MAX_BODY_BYTES }, async ({ body }) =>
    acknowledgements.submit(binary(body)),
  );
  app.post('/v1/events', async ({ body }) => events.submit(body));
  app.post('/v1/receipts', { bodyLimit: MAX_NOTE_BYTES }, async ({ body }, reply) => {
    await examineReceipt(chain, fromUtf8(binary(body), 'bad-checkpoint'));
    return reply.code(204).send();
  });
  app.get('/v1/status', async () => platform.status());
  return app;
}

/** A body that came as bytes; JSON in its place is refused. */
function binary(body: unknown): Uint8Array {
  if (body instanceof Uint8Array) return body;
  throw new MetersealError('bad-request', "couldn't read request: its body is not bytes");
}
