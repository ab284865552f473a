import { switchCommand, switchMessage } from '@meterseal/node-red-meterseal/internal/controllers/switch';
import t from 'tap';

t.test('two words are commands, and nothing else is', async (t) => {
  t.same(switchCommand({ payload: 'isolate' }), { action: 'isolate' });
  t.same(switchCommand({ payload: 'connect' }), { action: 'connect', maxMs: undefined });
  t.same(switchCommand({ payload: 'connect', seconds: 1.5 }), { action: 'connect', maxMs: 1_500 });
  for (const message of [
    {},
    { payload: 'open' },
    { payload: true },
    { payload: 'connect', seconds: 0 },
    { payload: 'connect', seconds: '5' },
  ]) {
    t.throws(() => switchCommand(message), { code: 'misuse' });
  }
});

t.test('a message has what is known, and no key for what is not', async (t) => {
  const view = {
    state: 'isolated',
    since: 0,
    lease: undefined,
    until: undefined,
    witness: 'refused',
    why: undefined,
  } as const;
  t.same(switchMessage(view), { state: 'isolated', since: '1970-01-01T00:00:00.000Z', witness: 'refused' });
});
