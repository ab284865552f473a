import { join } from 'node:path';
import type {
  LeaseAnswer,
  LeasePurpose,
  LeaseRequest,
  LeaseResult,
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
import { within } from './deadline.js';
import type { SwitchDriver } from './driver.js';
import type { ConnectionHandler } from './drivers/process.js';
import { ProcessDriver } from './drivers/process.js';
import { IsolationSwitch, liveLease } from './isolation-switch.js';
import { LeaseGuard } from './lease-guard.js';
import type { Lease } from './machine.js';
import type { SpoolFile } from './spool-file.js';
import { openSpoolFile } from './spool-file.js';
import { SwitchClient } from './switch-client.js';
import { TransitionCommitter } from './transition-committer.js';
import { TransitionSpool } from './transition-spool.js';

export type GateOptions = {
  /** The gate's own folder. */
  readonly stateDir: string;
  readonly platformId: string;
  readonly control: { readonly host: string; readonly port: number };
  /** Port of the comparison, on the control port's host; 0 lets the system choose anew each time. */
  readonly comparison: { readonly port: number };
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
  /** Another driver than `process`; `handler` serves the connections of the comparison port. */
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

/** Milliseconds that a request waits for what has to be on the chain before it. */
const CHAIN_MS = 3_000;
/** Milliseconds that a stop waits for the chain. */
const STOP_MS = 2_000;

/**
 * Starts the gate: isolates, reads back, closes what an earlier run left open, then listens for leases. The chain need
 * not be there; until it is, every lease is refused.
 *
 * @throws MetersealError `state-readonly`, `file-unusable`, `commit-failed`, `disk-full`, `address-in-use`, `bad-config`
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
  readonly failed: Promise<MetersealError>;
  readonly #options: GateOptions;
  readonly #driver: SwitchDriver;
  readonly #spool: TransitionSpool;
  readonly #committer: TransitionCommitter;
  readonly #switch: IsolationSwitch;
  #control: ControlPort | null = null;
  #api: ApiServer | null = null;
  /** A request is between its checks and its place in the machine. */
  #admitting = false;
  #stopping: Promise<void> | null = null;

  constructor(options: GateOptions, spool: TransitionSpool) {
    const { clock, log, sockets, control, comparison } = options;
    this.#options = options;
    this.#spool = spool;
    const mayPass = (): boolean => this.#switch.mayPass();
    const handler = new ComparisonProxy({ proofSocket: sockets.proof, clock, mayPass });
    this.#driver =
      options.driver?.(handler) ??
      new ProcessDriver({ host: control.host, port: comparison.port, handler, clock });
    this.#committer = new TransitionCommitter({
      spool,
      chain: new SwitchClient(sockets.switch),
      clock,
      log,
      onRefused: () => this.#switch.feed({ kind: 'refused' }),
      onAdopted: (to) => this.#switch.feed({ kind: 'adopted', to }),
    });
    let fail: (error: MetersealError) => void = () => {};
    this.failed = new Promise((resolve) => {
      fail = resolve;
    });
    this.#switch = new IsolationSwitch({
      driver: this.#driver,
      spool,
      committer: this.#committer,
      clock,
      log,
      onFailure: (error) => fail(error),
    });
  }

  async start(): Promise<void> {
    const { platformId, collectorKeys, crypto, control, clock, log, sockets } = this.#options;
    this.#switch.feed({ kind: 'boot', recorded: this.#spool.last?.state ?? 'isolated' });
    await this.#switch.rest();
    const guard = new LeaseGuard(platformId, collectorKeys, crypto);
    this.#control = await openControlPort({
      ...control,
      guard,
      clock,
      ask: (request, gone) =>
        request.action === 'connect' ? this.#connect(request, gone) : this.#release(request),
    });
    if (sockets.gate !== undefined) {
      this.#api = createApiServer({ bodyLimit: 1_024, log });
      this.#api.get('/v1/status', async () => this.status());
      await listenOnSocket(this.#api, sockets.gate);
    }
    this.#committer.start();
  }

  status(): GateStatus {
    const { state, since, readBacks } = this.#switch;
    const lease = liveLease(state);
    const leased =
      lease === null
        ? {}
        : { lease: { id: toHex(lease.id), purpose: lease.purpose, expiresInMs: this.#left(lease) } };
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
    const { clock, log } = this.#options;
    const state = await this.#switch.end();
    if (state.name === 'fault') log.error({ assured: state.assured }, 'the gate stops in fault');
    await this.#control?.close();
    if (this.#api !== null) await stopApiServer(this.#api);
    if (this.#spool.pending.length > 0) {
      // What does not get through now is spooled, and gets through after the next start.
      await within(clock, STOP_MS, this.#committer.flush(), undefined).catch(() => {});
    }
    await this.#committer.stop();
    await this.#spool.close();
  }

  async #connect(request: LeaseRequest, gone: AbortSignal): Promise<LeaseAnswer> {
    const { clock, maxLeaseMs } = this.#options;
    const max = Math.min(request.max, maxLeaseMs);
    const meant = request.purpose !== 'none' && max > 0 && request.lease.some((byte) => byte !== 0);
    if (!meant || this.#isStopping()) return answerOf(request, 'refused');
    if (this.#switch.state.name === 'fault') return answerOf(request, 'fault');
    if (this.#switch.state.name !== 'isolated' || this.#admitting) return answerOf(request, 'busy');
    const { lease: id, collectorKey: who, counter, purpose } = request;
    const lease: Lease = { id, who, counter, purpose, max, deadline: clock.monotonic() + max };
    this.#admitting = true;
    try {
      // What happened before must be on the chain before anything new begins.
      const agreed = this.#committer.flush().then(
        () => true,
        () => false,
      );
      const ready = await within(clock, Math.min(CHAIN_MS, max), agreed, false);
      if (!ready || gone.aborted || this.#isStopping()) return answerOf(request, 'refused');
      this.#switch.feed({ kind: 'lease', lease });
    } finally {
      this.#admitting = false;
    }
    const hangUp = (): void => this.#switch.feed({ kind: 'release', id, who });
    gone.addEventListener('abort', hangUp);
    const state = await this.#switch.rest();
    gone.removeEventListener('abort', hangUp);
    if (state.name === 'fault') return answerOf(request, 'fault');
    if (state.name !== 'connected' || state.lease !== lease) return answerOf(request, 'refused');
    return { result: 'connected', lease: id, port: state.port, granted: this.#left(lease) };
  }

  /** The answer says what the link is afterwards: `refused` is not connected, `busy` is connected for another. */
  async #release(request: LeaseRequest): Promise<LeaseAnswer> {
    this.#switch.feed({ kind: 'release', id: request.lease, who: request.collectorKey });
    const state = await this.#switch.rest();
    if (state.name === 'fault') return answerOf(request, 'fault');
    return answerOf(request, state.name === 'connected' ? 'busy' : 'refused');
  }

  #isStopping(): boolean {
    return this.#stopping !== null;
  }

  #left(lease: Lease): number {
    return Math.max(0, Math.floor(lease.deadline - this.#options.clock.monotonic()));
  }
}

function answerOf(request: LeaseRequest, result: LeaseResult): LeaseAnswer {
  return { result, lease: request.lease, port: 0, granted: 0 };
}
