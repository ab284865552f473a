import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { javascriptEngine } from '@meterseal/native';
import type { LeaseAnswer, LeaseRequest } from '@meterseal/protocol';
import { decodeLeaseAnswer, encodeLeaseRequest, signMessage } from '@meterseal/protocol';
import type { SwitchDriver } from 'meterseal/internal/gate/driver';
import type { ConnectionHandler } from 'meterseal/internal/gate/drivers/process';
import { ProcessDriver } from 'meterseal/internal/gate/drivers/process';
import type { GateOptions, GateRole } from 'meterseal/internal/gate/role';
import { startGate } from 'meterseal/internal/gate/role';
import { createLogger } from 'meterseal/internal/host/logger';
import type { Test } from 'tap';
import { closed } from './http-peer.js';
import { ManualClock } from './manual-clock.js';
import { ObservedDriver } from './observed-driver.js';
import { ProofServer } from './proof-server.js';
import { SwitchChainServer } from './switch-chain-server.js';
import { until } from './until.js';

export const PLATFORM_ID = 'meterseal.example/meterseal/box-7';

const key = (n: number) => javascriptEngine.keyFromSeed(new Uint8Array(32).fill(n));
export const COLLECTOR = key(1);
export const SECOND_COLLECTOR = key(2);
export const STRANGER = key(3);

/** A lease request of the collector, as it goes over the wire. */
export function leaseBytes(change: Partial<LeaseRequest> = {}, signer = COLLECTOR): Uint8Array {
  const request: LeaseRequest = {
    platformId: PLATFORM_ID,
    collectorKey: signer.publicKey,
    lease: new Uint8Array(16).fill(0xaa),
    counter: 1,
    action: 'connect',
    purpose: 'comparison',
    max: 60_000,
    ...change,
  };
  return signMessage(signer, encodeLeaseRequest(request));
}

/** Sends bytes to a port; everything that comes back until the connection is over. */
export async function exchange(port: number, bytes: Uint8Array): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.write(bytes);
  await closed(socket);
  return Buffer.concat(chunks);
}

/** True if a connect to the port is refused. */
export async function isRefused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const code = await new Promise<string | undefined>((resolve) => {
    socket.once('connect', () => resolve('accepted'));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  socket.destroy();
  return code === 'ECONNREFUSED';
}

/** Everything but the clock, as an operator would have it; the sockets are expected in `folder`. */
export function gateOptions(folder: string): Omit<GateOptions, 'clock'> {
  return {
    stateDir: join(folder, 'gate'),
    platformId: PLATFORM_ID,
    control: { host: '127.0.0.1', port: 0 },
    comparison: { port: 0 },
    maxLeaseMs: 120_000,
    collectorKeys: [COLLECTOR.publicKey, SECOND_COLLECTOR.publicKey],
    crypto: javascriptEngine,
    sockets: { proof: join(folder, 'p.sock'), switch: join(folder, 's.sock') },
    log: createLogger('silent'),
  };
}

/** One gate with everything around it. */
export class GateBox {
  readonly clock = new ManualClock();
  readonly chain = new SwitchChainServer();
  readonly proof = new ProofServer();
  readonly folder: string;
  gate!: GateRole;
  #driver: ObservedDriver | null = null;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Chain and proof.sock are up; the gate is not started. */
  static async create(t: Test): Promise<GateBox> {
    const box = new GateBox(await mkdtemp(join(tmpdir(), 'meterseal-gate-')));
    await box.chain.start(box.switchSocket);
    await box.proof.start(box.proofSocket);
    t.teardown(async () => {
      await box.gate?.stop();
      await box.chain.stop().catch(() => {});
      await box.proof.stop();
      await rm(box.folder, { recursive: true });
    });
    return box;
  }

  get switchSocket(): string {
    return gateOptions(this.folder).sockets.switch;
  }

  get proofSocket(): string {
    return gateOptions(this.folder).sockets.proof;
  }

  get options(): GateOptions {
    return { ...gateOptions(this.folder), clock: this.clock };
  }

  /** Starts the gate with its process driver, or with the one that is given. */
  async start(change: Partial<Omit<GateOptions, 'driver'>> = {}, instead?: SwitchDriver): Promise<GateRole> {
    const { clock } = this;
    const driver = (handler: ConnectionHandler): ObservedDriver => {
      const port = { host: '127.0.0.1', port: 0 };
      this.#driver = new ObservedDriver(instead ?? new ProcessDriver({ ...port, handler, clock }));
      return this.#driver;
    };
    this.gate = await startGate({ ...this.options, ...change, driver });
    return this.gate;
  }

  /** Moves the clock; what the driver does in real time keeps up with it. */
  async advance(ms: number): Promise<void> {
    const idle = () => until('the driver is done', () => this.#driver?.busy === 0);
    await idle();
    await this.clock.advance(ms, idle);
  }

  get state(): string {
    return this.gate.status().state;
  }

  /** Sends bytes to the control port; null if it closed without a byte. */
  async send(bytes: Uint8Array): Promise<LeaseAnswer | null> {
    const answer = await exchange(this.gate.status().controlPort, bytes);
    return answer.length === 0 ? null : decodeLeaseAnswer(new Uint8Array(answer));
  }

  /** Asks for a lease that is expected to be granted. */
  async connect(change: Partial<LeaseRequest> = {}): Promise<LeaseAnswer> {
    const answer = await this.send(leaseBytes(change));
    if (answer?.result !== 'connected') throw new Error(`not connected: ${answer?.result ?? 'no answer'}`);
    return answer;
  }
}
