import { encodeLeaseAnswer } from '@meterseal/protocol';
import { routeComparison } from 'meterseal/internal/gate/comparison-routes';
import { GateCore } from 'meterseal/internal/gate/core';
import { LeaseGuard } from 'meterseal/internal/gate/lease-guard';
import { SwitchClient } from 'meterseal/internal/gate/switch-client';
import { TransitionSpool } from 'meterseal/internal/gate/transition-spool';
import type { HttpAnswer } from 'meterseal/internal/host/http-client';
import { Actor } from './actor.js';
import type { Life } from './life.js';
import { engine } from './seeded-engine.js';
import type { DriverFault } from './simulated-driver.js';
import { SimulatedDriver } from './simulated-driver.js';
import type { WireRequest, WireServer } from './wire.js';
import { exchangeOver, httpAnswer } from './wire.js';
import { PLATFORM_ID } from './world.js';

/** A lease request as it comes, and what tells that whoever sent it has hung up. */
export type ControlRequest = { readonly bytes: Uint8Array; readonly gone: AbortSignal };
/** A request of a comparison; undefined: the connection was reset. */
export type ComparisonRequest = WireRequest & { readonly port: number };

/** Longest and shortest of what the gate grants, whatever is asked for. */
export const MAX_LEASE_MS = 20_000;
const NOTHING = new Uint8Array(0);

/** The role `gate`: guard, core, spool and the routes of a comparison, without its sockets. */
export class GateActor extends Actor {
  #driver: SimulatedDriver | undefined;
  #core: GateCore | undefined;
  #spool: TransitionSpool | undefined;
  controlServer: WireServer<ControlRequest, Uint8Array> | undefined;

  get isUp(): boolean {
    return this.#core !== undefined;
  }

  /** Everything it knows is on the chain, and nothing is connected. */
  get isSettled(): boolean {
    return this.#core?.switch.state.name === 'isolated' && this.#spool!.pending.length === 0;
  }

  /** @param fault undefined: nothing goes wrong any more */
  failDriver(fault: DriverFault | undefined): void {
    this.#driver?.fail(fault);
  }

  /** Who answers at a port of the comparison: nobody unless the driver connects. */
  comparisonServer(port: number): WireServer<ComparisonRequest, HttpAnswer | undefined> | undefined {
    const { life } = this;
    if (life === undefined || this.#driver === undefined || port === 0 || this.#driver.port !== port)
      return undefined;
    return { life, handle: (request) => this.#pass(life, request) };
  }

  protected async boot(life: Life): Promise<void> {
    const { boxDisk, log, wires, collectorKey, model } = this.world;
    const spool = await TransitionSpool.open(boxDisk.spoolFile(life, this.writes));
    if (spool.found === 'damaged') model.problem('the spool of transitions is damaged');
    const driver = new SimulatedDriver(this.world, life);
    this.#driver = driver;
    const core = new GateCore({
      driver,
      spool,
      chain: new SwitchClient(exchangeOver(wires.switch, life)),
      maxLeaseMs: MAX_LEASE_MS,
      clock: this.clockFor(life),
      log,
    });
    void core.failed.then((error) => this.fail(life, error));
    await core.boot();
    if (life.ended) return;
    const guard = new LeaseGuard(PLATFORM_ID, [collectorKey.publicKey], engine);
    this.#core = core;
    this.#spool = spool;
    this.controlServer = {
      life,
      handle: async ({ bytes, gone }) => {
        const request = guard.admit(bytes);
        if (request === null) return NOTHING;
        return encodeLeaseAnswer(await core.ask(request, gone));
      },
    };
    core.startCommitting();
  }

  protected gone(): void {
    this.#driver = undefined;
    this.#core = undefined;
    this.#spool = undefined;
    this.controlServer = undefined;
  }

  protected async leave(): Promise<void> {
    const core = this.#core;
    this.controlServer = undefined;
    await core?.isolate();
    await core?.stopCommitting();
  }

  /** What comparison-proxy.ts does with one request: nothing passes unless it may, before and after. */
  async #pass(life: Life, request: ComparisonRequest): Promise<HttpAnswer | undefined> {
    const core = this.#core;
    if (core === undefined || !core.switch.mayPass()) return undefined;
    const route = routeComparison(request.method, request.path);
    if (route.kind === 'refuse') return httpAnswer(route.status);
    const server = this.world.chain.proofServer;
    if (server === undefined) return httpAnswer(503);
    const answer = await Promise.race([
      life.sees(server.handle({ ...request, path: route.path })),
      new Promise<HttpAnswer>((resolve) => {
        server.life.onEnd(() => life.deliver(() => resolve(httpAnswer(503))));
      }),
    ]);
    if (!core.switch.mayPass()) return undefined;
    this.world.model.passed();
    return answer;
  }
}
