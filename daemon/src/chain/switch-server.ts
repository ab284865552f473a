import { MetersealError } from '@meterseal/protocol';
import type { ApiServer } from '../host/api-server.js';
import { createApiServer } from '../host/api-server.js';
import type { Logger } from '../host/logger.js';
import { readNumber } from './query-number.js';
import type { Transitions } from './transitions.js';

/** Body of the largest entry 05. */
const TRANSITION_BODY_LIMIT = 256;

/** switch.sock: the gate's own, never passed on. */
export function createSwitchServer(transitions: Transitions, log: Logger): ApiServer {
  const app = createApiServer({ bodyLimit: TRANSITION_BODY_LIMIT, log });
  app.post<{ Querystring: Record<string, unknown> }>('/transitions', async ({ query, body }) => {
    if (!(body instanceof Uint8Array)) {
      throw new MetersealError('bad-request', "couldn't read request: its body is not bytes");
    }
    return transitions.submit(readNumber(query, 'seq'), body);
  });
  app.get('/transitions/last', async () => transitions.last());
  return app;
}
