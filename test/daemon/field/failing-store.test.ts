import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import { FieldStore } from 'meterseal/internal/agent/field-store';
import { IdentityKeys } from 'meterseal/internal/agent/identity-keys';
import { PlatformClient } from 'meterseal/internal/agent/platform-client';
import { FieldCore } from 'meterseal/internal/field/core';
import { createBox } from 'meterseal/internal/host/box';
import type { SqlConnection } from 'meterseal/internal/host/database';
import { HttpClient } from 'meterseal/internal/host/http-client';
import { createLogger } from 'meterseal/internal/host/logger';
import { openSqlite } from 'meterseal/internal/host/sqlite-connection';
import t from 'tap';
import { engine, PLATFORM_ID, seededRandom, TestBox } from '../chain/test-box.js';
import { temporaryFolder } from '../host/temporary-folder.js';

/** The disk refuses everything that would keep an offer. */
function refusing(connection: SqlConnection): SqlConnection {
  return {
    exec: (sql) => connection.exec(sql),
    run: async (sql, params) => {
      if (!sql.includes("state = 'offered'")) return connection.run(sql, params);
      throw new MetersealError('disk-full', "couldn't write database: no space left");
    },
    get: (sql, params) => connection.get(sql, params),
    all: (sql, params) => connection.all(sql, params),
    close: () => connection.close(),
  };
}

t.test(
  'a field.db that fails ends the field, also while no meter is enrolled and nothing recorded',
  async (t) => {
    const box = await TestBox.start(t);
    box.list('EM:1', 'code of EM:1');
    const folder = temporaryFolder(t);
    const random = seededRandom('field');
    const store = await FieldStore.open(refusing(await openSqlite(join(folder, 'field.db'), false)));
    const http = new HttpClient({ socketPath: box.state.sockets.platform }, 'the platform');
    const core = new FieldCore({
      store,
      keys: new IdentityKeys(folder, engine),
      platform: new PlatformClient(http),
      engine,
      box: createBox(random),
      random,
      clock: box.clock,
      log: createLogger('silent'),
      platformId: PLATFORM_ID,
      software: 'meterseal/test 0123456789abcdef',
      synchronised: () => true,
      sessionUse: 'reused',
    });
    const holder = { name: 'A. Holder', contract: 'C-1001' };
    const data = { meter: 'EM:1', holder, code: () => 'code of EM:1', keyOrigin: 'issued' as const };
    const agent = core.addMeter(data, 'eastron/sdm630@0123456789abcdef');
    await core.start();
    t.equal((await core.failed).code, 'disk-full', 'whoever runs the field is told');
    t.equal(agent.problem, undefined, 'it is not taken for the trouble of one meter');
    await core.stop();
    http.close();
    await store.close();
  },
);
