import type {
  AuthenticationRequest,
  ChallengeRequest,
  ConfirmRequest,
  EnrolmentRequest,
  SessionRequest,
} from '@meterseal/protocol';
import { MAX_BODY_BYTES, MAX_INTEGER, MAX_NOTE_BYTES } from '@meterseal/protocol';
import type { ApiServer } from '../../host/api-server.js';
import { createApiServer } from '../../host/api-server.js';
import type { Logger } from '../../host/logger.js';
import type { Chain } from '../commit.js';
import { Interface1 } from './interface-1.js';
import type { Platform } from './platform.js';

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
  const calls = new Interface1(platform, chain);

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
    ({ body }) => calls.enrol(body),
  );
  app.post<{ Body: ConfirmRequest }>(
    '/v1/enrolments/confirm',
    route({ meter, publicKey: bytes32, signature: bytes64 }),
    ({ body }) => calls.confirm(body),
  );
  app.post<{ Body: ChallengeRequest }>('/v1/challenges', route({ meter }), ({ body }) =>
    calls.challenge(body),
  );
  app.post<{ Body: AuthenticationRequest }>(
    '/v1/authentications',
    route({ meter, challenge: bytes32, signature: bytes64 }),
    ({ body }) => calls.authenticate(body),
  );
  app.post<{ Body: SessionRequest }>(
    '/v1/sessions',
    route({ meter, authentication: index, publicKey: bytes32, signature: bytes64 }),
    ({ body }) => calls.openSession(body),
  );
  app.post('/v1/readings', { bodyLimit: MAX_BODY_BYTES }, ({ body }) => calls.submit(body));
  app.post('/v1/acknowledgements', { bodyLimit: MAX_BODY_BYTES }, ({ body }) => calls.acknowledge(body));
  app.post('/v1/events', ({ body }) => calls.event(body));
  app.post('/v1/receipts', { bodyLimit: MAX_NOTE_BYTES }, async ({ body }, reply) => {
    await calls.presentReceipt(body);
    return reply.code(204).send();
  });
  app.get('/v1/status', async () => platform.status());
  return app;
}
