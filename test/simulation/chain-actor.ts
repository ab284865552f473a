import type { Policy } from '@meterseal/protocol';
import { concat, isMetersealError, parsePolicy } from '@meterseal/protocol';
import type { Chain } from 'meterseal/internal/chain/commit';
import { openChain } from 'meterseal/internal/chain/open-chain';
import { Interface1 } from 'meterseal/internal/chain/platform/interface-1';
import { Platform } from 'meterseal/internal/chain/platform/platform';
import type { RosterEntries } from 'meterseal/internal/chain/platform/roster';
import { ProofCalls } from 'meterseal/internal/chain/proof-calls';
import { readNumber } from 'meterseal/internal/chain/query-number';
import { Transitions } from 'meterseal/internal/chain/transitions';
import { Verdicts } from 'meterseal/internal/chain/verdicts';
import { errorAnswer } from 'meterseal/internal/host/api-server';
import type { HttpAnswer } from 'meterseal/internal/host/http-client';
import { Actor } from './actor.js';
import type { Life } from './life.js';
import { plainBox } from './plain-box.js';
import { engine, seededRandom } from './seeded-engine.js';
import type { WireRequest, WireServer } from './wire.js';
import { httpAnswer } from './wire.js';
import { HOLDER, PLATFORM_ID } from './world.js';

type Call = (request: WireRequest) => Promise<unknown>;

/** The role `chain`: recovery, commit, platform and the calls of its three sockets, below HTTP. */
export class ChainActor extends Actor {
  readonly #random = seededRandom('chain');
  #platform: Platform | undefined;
  #chain: Chain | undefined;
  platformServer: WireServer<WireRequest, HttpAnswer> | undefined;
  switchServer: WireServer<WireRequest, HttpAnswer> | undefined;
  proofServer: WireServer<WireRequest, HttpAnswer> | undefined;

  get isUp(): boolean {
    return this.platformServer !== undefined;
  }

  get sessions(): number {
    return this.#platform?.sessions.count ?? 0;
  }

  /** Undefined before the first start. */
  get policy(): Policy | undefined {
    const text = this.world.boxDisk.policy;
    return text === undefined ? undefined : parsePolicy(engine, text);
  }

  protected async boot(life: Life): Promise<void> {
    const { boxDisk, log, options, collectorKey } = this.world;
    const clock = this.clockFor(life);
    const chain = await openChain({
      store: boxDisk.chainStoreFor(life, this.writes),
      files: boxDisk.chainFiles(life, this.writes, (note) => this.world.model.seen(note)),
      platformId: PLATFORM_ID,
      engine,
      clock,
      random: this.#random,
      log,
    });
    this.#chain = chain;
    void chain.failed.then((error) => this.fail(life, error));
    const collectorKeys = [collectorKey.publicKey];
    const platform = await Platform.start({
      chain,
      roster: rosterOf(this.world.meters.map(({ id }) => id)),
      clock,
      random: this.#random,
      box: plainBox(this.#random),
      log,
      collectorKeys,
      session: options.session,
    });
    if (life.ended) return;
    this.#platform = platform;
    const calls = new Interface1(platform, chain);
    const transitions = new Transitions(chain, collectorKeys);
    const proof = new ProofCalls(chain, new Verdicts(chain, collectorKeys));
    this.platformServer = this.#serve(life, {
      '/v1/enrolments': ({ json }) => calls.enrol(json as never),
      '/v1/enrolments/confirm': ({ json }) => calls.confirm(json as never),
      '/v1/challenges': ({ json }) => calls.challenge(json as never),
      '/v1/authentications': ({ json }) => calls.authenticate(json as never),
      '/v1/sessions': ({ json }) => calls.openSession(json as never),
      '/v1/readings': async ({ body }) => {
        const answer = await calls.submit(body);
        this.world.model.receipts(body!, answer);
        return answer;
      },
      '/v1/acknowledgements': ({ body }) => calls.acknowledge(body),
      '/v1/events': ({ json }) => calls.event(json),
      '/v1/receipts': ({ body }) => calls.presentReceipt(body),
    });
    this.switchServer = this.#serve(life, {
      '/transitions': ({ path, body }) => transitions.submit(readNumber(queryOf(path), 'seq'), body!),
      '/transitions/last': () => transitions.last(),
    });
    this.proofServer = this.#serve(life, {
      '/checkpoint': async () => {
        const note = proof.checkpoint();
        this.world.model.seen(note);
        return Buffer.from(note);
      },
      '/entries': async ({ path }) => concat(...(await proof.entries(queryOf(path)))),
      '/consistency': ({ path }) => proof.consistency(queryOf(path)),
      '/verdicts': ({ body }) => proof.submitVerdict(body),
    });
  }

  protected gone(): void {
    this.#platform = undefined;
    this.#chain = undefined;
    this.platformServer = undefined;
    this.switchServer = undefined;
    this.proofServer = undefined;
  }

  protected async leave(): Promise<void> {
    await this.#platform?.stop();
    await this.#chain?.stop();
  }

  #serve(life: Life, calls: { readonly [path: string]: Call }): WireServer<WireRequest, HttpAnswer> {
    return {
      life,
      handle: async (request) => {
        try {
          const call = calls[request.path.split('?')[0]!];
          if (call === undefined) throw new Error(`no such call: ${request.path}`);
          const result = await call(request);
          if (result instanceof Uint8Array) return { status: 200, body: Buffer.from(result) };
          return httpAnswer(request.path === '/verdicts' ? 202 : 200, result);
        } catch (error) {
          if (!isMetersealError(error)) this.world.model.problem(`${request.path} threw`, error);
          const { status, body } = errorAnswer(error);
          this.world.note(`${request.path} is answered ${status} ${body.code}`);
          return httpAnswer(status, body);
        }
      },
    };
  }
}

function queryOf(path: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(path.split('?')[1] ?? ''));
}

function rosterOf(meters: readonly string[]): { current(): Promise<RosterEntries>; lastGood: RosterEntries } {
  const entries: RosterEntries = new Map(
    meters.map((meter) => {
      const codeHash = engine.sha256(Buffer.from(`code of ${meter}`));
      return [meter, { meter, holder: HOLDER, codeHash, revoked: false }];
    }),
  );
  return { current: async () => entries, lastGood: entries };
}
