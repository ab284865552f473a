import type { Engine } from '@meterseal/native';
import type { ChainStatus, ClockState, MetersealError, Random } from '@meterseal/protocol';
import type { ApiServer } from '../host/api-server.js';
import { listenOnSocket, stopApiServer } from '../host/api-server.js';
import { createBox } from '../host/box.js';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import { nextTurn } from '../host/next-turn.js';
import { stateFolder } from '../host/state-folder.js';
import { chainFiles } from './chain-files.js';
import type { Chain } from './commit.js';
import { openChain } from './open-chain.js';
import { Platform } from './platform/platform.js';
import { createPlatformServer } from './platform/platform-server.js';
import { Roster } from './platform/roster.js';
import type { SessionLimits } from './platform/sessions.js';
import { createProofServer } from './proof-server.js';
import { SqliteChainStore } from './sqlite-store.js';
import { createSwitchServer } from './switch-server.js';
import { Transitions } from './transitions.js';
import { Verdicts } from './verdicts.js';

export type ChainOptions = {
  readonly stateDir: string;
  /** Origin without its epoch. */
  readonly platformId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly engine: Engine;
  readonly log: Logger;
  /** Whose acknowledgements, verdicts and leases are accepted. */
  readonly collectorKeys: readonly Uint8Array[];
  readonly session: SessionLimits;
  readonly sockets: { readonly platform: string; readonly proof: string; readonly switch: string };
  /** What is known of the clock, for the block-close; `unsynchronised` if nobody says. */
  readonly clockState?: () => ClockState;
};

export type ChainRole = {
  status(): ChainStatus;
  /** Finishes the commit under way, then ends every connection. */
  stop(): Promise<void>;
  /** Resolves with the reason when the chain has failed for good: the process must end with its exit code. */
  readonly failed: Promise<MetersealError>;
};

/**
 * The role `chain`: the embedded chain and the platform, behind three Unix sockets and no network. The caller holds the
 * lock of the state folder.
 *
 * @throws what `openChain` throws; MetersealError `bad-roster`, `socket-path-too-long`, `address-in-use`
 */
export async function startChain(options: ChainOptions): Promise<ChainRole> {
  const { platformId, clock, random, engine, log, collectorKeys, session, sockets, clockState } = options;
  const files = stateFolder(options.stateDir);
  const store = await SqliteChainStore.open(files.chainDatabase);
  const servers: ApiServer[] = [];
  let chain: Chain | undefined;
  let platform: Platform | undefined;
  const stop = async (): Promise<void> => {
    await platform?.stop();
    await chain?.stop();
    // Answers of the last commit are written in this turn of the event loop; then the connections go.
    await nextTurn();
    for (const server of servers) await stopApiServer(server);
    await store.close();
  };
  try {
    chain = await openChain({
      store,
      files: chainFiles(files),
      platformId,
      engine,
      clock,
      random,
      log,
      ...(clockState === undefined ? {} : { clockState }),
    });
    const roster = new Roster(files.roster);
    const box = createBox(random);
    platform = await Platform.start({ chain, roster, clock, random, box, log, collectorKeys, session });
    const listen = async (server: ApiServer, path: string): Promise<void> => {
      servers.push(server);
      await listenOnSocket(server, path);
    };
    await listen(createPlatformServer(platform, chain, log), sockets.platform);
    await listen(createProofServer(chain, new Verdicts(chain, collectorKeys), log), sockets.proof);
    await listen(createSwitchServer(new Transitions(chain, collectorKeys), log), sockets.switch);
  } catch (error) {
    await stop();
    throw error;
  }
  const { size, height } = chain.published;
  log.info({ origin: chain.origin, size, height }, 'chain open');
  const running = platform;
  let stopped: Promise<void> | undefined;
  return {
    status: () => running.status(),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
    failed: chain.failed,
  };
}
