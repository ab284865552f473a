import { join } from 'node:path';
import type {
  LeasePurpose,
  MetersealError,
  ReadBack,
  SwitchDriverName,
  SwitchGrade,
  SwitchState,
  Verifier,
} from '@meterseal/protocol';
import { toHex } from '@meterseal/protocol';
import type { ApiServer } from '../host/api-server.js';
import { createApiServer, listenOnSocket, stopApiServer } from '../host/api-server.js';
import type { Clock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import { makePrivateFolder } from '../host/state-folder.js';
import { ComparisonProxy } from './comparison-proxy.js';
import type { ControlPort } from './control-port.js';
import { openControlPort } from './control-port.js';
import { GateCore } from './core.js';
import type { SwitchDriver } from './driver.js';
import type { RelayOptions } from './drivers/open-driver.js';
import { openDriver } from './drivers/open-driver.js';
import type { ConnectionHandler } from './drivers/process.js';
import { liveLease } from './isolation-switch.js';
import { LeaseGuard } from './lease-guard.js';
import type { SpoolFile } from './spool-file.js';
import { openSpoolFile } from './spool-file.js';
import { SwitchClient } from './switch-client.js';
import { TransitionSpool } from './transition-spool.js';

export type GateOptions = {
  /** The gate's own folder. */
  readonly stateDir: string;
  readonly platformId: string;
  readonly control: { readonly host: string; readonly port: number };
  /** Where the comparison is served: on the control port's host if not given; port 0 lets the system choose anew each time. */
  readonly comparison: { readonly host?: string; readonly port: number };
  /** A relay in the line of the comparison; without one the port alone is what is connected and isolated. */
  readonly relay?: RelayOptions;
  /** Cap on every lease. */
  readonly maxLeaseMs: number;
  readonly collectorKeys: readonly Uint8Array[];
  readonly crypto: Verifier;
  readonly sockets: {
    readonly proof: string;
    readonly switch: string;
    /** Where the gate itself answers `GET /v1/status`; nowhere if not given. */
    readonly gate?: string;
  };
  readonly clock: Clock;
  readonly log: Logger;
  /** Another driver than the built-in ones; `handler` serves the connections of the comparison port. */
  readonly driver?: (handler: ConnectionHandler) => SwitchDriver;
  /** Another store for the transitions than the file `transitions` in the gate's folder. */
  readonly spoolFile?: SpoolFile;
};

export type GateStatus = {
  readonly state: SwitchState;
  /** Wall time since when, milliseconds since 1970. */
  readonly since: number;
  readonly driver: SwitchDriverName;
  readonly grade: SwitchGrade;
  readonly lease?: { readonly id: string; readonly purpose: LeasePurpose; readonly expiresInMs: number };
  /** True only if every witness said `isolated` when they were last asked, and nothing was moved since. */
  readonly assured: boolean;
  readonly readBacks: readonly ReadBack[];
  readonly controlPort: number;
  /** Number of the last transition, and how many the chain may still lack. */
  readonly transitions: { readonly last: number; readonly uncommitted: number };
};

export interface GateRole {
  status(): GateStatus;
  /** Isolates, tries for a moment to have the last transitions committed, and closes everything. */
  stop(): Promise<void>;
  /** Resolves, never rejects, with what the gate cannot go on after; it is isolated then and takes no lease. */
  readonly failed: Promise<MetersealError>;
}

/**
 * Starts the gate: isolates, reads back, closes what an earlier run left open, then listens for leases. The chain need
 * not be there; until it is, every lease is refused.
 *
 * @throws MetersealError `state-readonly`, `file-unusable`, `commit-failed`, `disk-full`, `address-in-use`, `bad-config`,
 *   `unknown-profile`, `bad-profile` for a relay
 */
export async function startGate(options: GateOptions): Promise<GateRole> {
  makePrivateFolder(options.stateDir);
  const file = options.spoolFile ?? (await openSpoolFile(join(options.stateDir, 'transitions')));
  const spool = await TransitionSpool.open(file);
  if (spool.found === 'torn') options.log.warn('the last write to the spool of transitions was cut off');
  if (spool.found === 'damaged') options.log.error('the spool of transitions was damaged and is set aside');
  const gate = new Gate(options, spool);
  try {
    await gate.start();
    return gate;
  } catch (error) {
    await gate.stop();
    throw error;
  }
}

class Gate implements GateRole {
  readonly #options: GateOptions;
  readonly #driver: SwitchDriver;
  readonly #spool: TransitionSpool;
  readonly #core: GateCore;
  #control: ControlPort | null = null;
  #api: ApiServer | null = null;
  #stopping: Promise<void> | null = null;

  constructor(options: GateOptions, spool: TransitionSpool) {
    const { clock, log, sockets, control, comparison, relay, maxLeaseMs } = options;
    this.#options = options;
    this.#spool = spool;
    const mayPass = (): boolean => this.#core.switch.mayPass();
    const handler = new ComparisonProxy({ proofSocket: sockets.proof, clock, mayPass });
    const driver =
      options.driver?.(handler) ??
      openDriver({
        host: comparison.host ?? control.host,
        port: comparison.port,
        ...(relay === undefined ? {} : { relay }),
        handler,
        clock,
        log,
      });
    this.#driver = driver;
    this.#core = new GateCore({
      driver,
      spool,
      chain: new SwitchClient(sockets.switch),
      maxLeaseMs,
      clock,
      log,
    });
  }

  get failed(): Promise<MetersealError> {
    return this.#core.failed;
  }

  async start(): Promise<void> {
    const { platformId, collectorKeys, crypto, control, clock, log, sockets } = this.#options;
    await this.#core.boot();
    const guard = new LeaseGuard(platformId, collectorKeys, crypto);
    this.#control = await openControlPort({
      ...control,
      guard,
      clock,
      ask: (request, gone) => this.#core.ask(request, gone),
    });
    if (sockets.gate !== undefined) {
      this.#api = createApiServer({ bodyLimit: 1_024, log });
      this.#api.get('/v1/status', async () => this.status());
      await listenOnSocket(this.#api, sockets.gate);
    }
    this.#core.startCommitting();
  }

  status(): GateStatus {
    const { state, since, readBacks } = this.#core.switch;
    const lease = liveLease(state);
    const leased =
      lease === null
        ? {}
        : { lease: { id: toHex(lease.id), purpose: lease.purpose, expiresInMs: this.#core.left(lease) } };
    return {
      state: state.name,
      since,
      driver: this.#driver.name,
      grade: this.#driver.grade,
      ...leased,
      assured: state.name === 'isolated' || (state.name === 'fault' && state.assured),
      readBacks,
      controlPort: this.#control?.port ?? 0,
      transitions: { last: this.#spool.last?.seq ?? 0, uncommitted: this.#spool.pending.length },
    };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { log } = this.#options;
    const state = await this.#core.isolate();
    if (state.name === 'fault') log.error({ assured: state.assured }, 'the gate stops in fault');
    await this.#control?.close();
    if (this.#api !== null) await stopApiServer(this.#api);
    await this.#core.stopCommitting();
    await this.#driver.close?.();
    await this.#spool.close();
  }
}
