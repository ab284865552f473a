import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { javascriptEngine } from '@meterseal/native/javascript';
import type {
  Clock,
  Collector,
  ComparisonResult,
  ControlPort,
  StoredReading,
} from '@meterseal/node-red-meterseal/core';
import { openCollector, openCollectorKey, tcpGateLink } from '@meterseal/node-red-meterseal/core';
import { isMetersealError, MetersealError, toBase64 } from '@meterseal/protocol';
import { Audience } from './audience.js';
import { folderIsFree, holdFolder } from './folder-handover.js';
import type { Platform } from './platform.js';
import type { PortWitness } from './port-witness.js';
import type { SwitchView } from './switch-watch.js';
import { SwitchWatch } from './switch-watch.js';
import { WindowGate } from './window-gate.js';

export type LinkSettings = {
  readonly platform: Platform;
  /** The collector's own folder. */
  readonly dir: string;
  /** The gate's control port. */
  readonly control: ControlPort;
  /** Longest window, milliseconds. */
  readonly maxWindow: number;
  /** Milliseconds after which a delivered reading that is not on the chain is overdue. */
  readonly anchoringDelay: number;
};

export type LinkTools = {
  readonly clock: Clock;
  /** Looks at the comparison port after each window; undefined where nobody is to look. */
  readonly witness: PortWitness | undefined;
  /** Told of what fails where nobody waits for it. */
  readonly onError: (error: unknown) => void;
};

/** Milliseconds between a write that failed and opening the files again, and between two tries of that. */
const MEND_MS = 5_000;

/**
 * One collector with its key, its files and its way to one platform's gate. Several nodes use it: what comes in, the
 * windows and the comparisons of all of them go through here.
 */
export class LinkController {
  readonly stored: Audience<readonly StoredReading[]>;
  readonly switched: Audience<SwitchView>;
  readonly compared: Audience<ComparisonResult>;
  /** Told when the files were opened anew after a write had failed: the collector before is closed. */
  readonly reopened: Audience<Collector>;
  readonly #settings: LinkSettings;
  readonly #tools: LinkTools;
  readonly #watch: SwitchWatch;
  readonly #gate: WindowGate;
  #key: ReturnType<typeof openCollectorKey> | undefined;
  #opening: Promise<Collector> | undefined;
  /** A comparison that has begun, and the one that waits behind it. */
  #running: Promise<ComparisonResult> | undefined;
  #next: Promise<ComparisonResult> | undefined;
  #held: { readonly run: Promise<ComparisonResult>; readonly letGo: () => void } | undefined;
  #closing: Promise<void> | undefined;
  readonly #closed = new AbortController();
  #isMending = false;

  constructor(settings: LinkSettings, tools: LinkTools) {
    this.#settings = { ...settings, dir: resolve(settings.dir) };
    this.#tools = tools;
    this.stored = new Audience(tools.onError);
    this.switched = new Audience(tools.onError);
    this.compared = new Audience(tools.onError);
    this.reopened = new Audience(tools.onError);
    const { control } = settings;
    this.#watch = new SwitchWatch(
      control.comparisonHost ?? control.host,
      tools.clock,
      tools.witness,
      (view) => this.switched.tell(view),
    );
    this.#gate = new WindowGate(tcpGateLink(control), this.#watch);
  }

  /** The switch as this side sees it. */
  get switch(): SwitchView {
    return this.#watch.view;
  }

  /**
   * The collector, opened when it is first asked for.
   *
   * @throws MetersealError as `openCollector` and `openCollectorKey`; `stopped` after `close`
   */
  collector(): Promise<Collector> {
    if (this.#closing !== undefined) return Promise.reject(stopped());
    if (this.#opening === undefined) {
      this.#opening = this.#open();
      // A folder that could not be opened may be put in order: the next who asks tries again.
      this.#opening.catch(() => {
        this.#opening = undefined;
      });
    }
    return this.#opening;
  }

  /** The collector's public key in base64, as the box's configuration names it; made where there is none. */
  async publicKey(): Promise<string> {
    return toBase64((await this.#openKey()).publicKey);
  }

  /**
   * One comparison. Who asks while one runs gets the next, together with all who ask meanwhile. A window that is held is
   * used, and ends with it.
   *
   * @throws MetersealError as `collector()`; `commit-failed`, `disk-full`
   */
  compare(): Promise<ComparisonResult> {
    if (this.#closing !== undefined) return Promise.reject(stopped());
    if (this.#held !== undefined) {
      const { run, letGo } = this.#held;
      this.#held = undefined;
      letGo();
      return run;
    }
    if (this.#running === undefined) return this.#start();
    if (this.#next === undefined) {
      const next = this.#running.then(
        () => this.#afterTurn(),
        () => this.#afterTurn(),
      );
      this.#next = next;
    }
    return this.#next;
  }

  /**
   * Has the switch connect, and keeps it so until the next comparison has ended, `isolate` is called or the lease runs out.
   *
   * @param maxMs no longer than the link's longest window
   * @throws MetersealError `busy` while a window is open; `link-denied`, `link-fault`, `unreachable` as the gate answers
   */
  async connect(maxMs = this.#settings.maxWindow): Promise<void> {
    if (this.#running !== undefined || this.#held !== undefined) {
      throw new MetersealError(
        'busy',
        "couldn't connect: a comparison is under way, or the switch is connected",
      );
    }
    const hold = this.#gate.holdNext();
    const connected = this.#untilConnected();
    const run = this.#start(Math.min(maxMs, this.#settings.maxWindow));
    this.#held = { run, letGo: () => hold.letGo() };
    const ended = run.finally(() => {
      this.#gate.drop(hold);
      if (this.#held?.run === run) this.#held = undefined;
    });
    const first = await Promise.race([connected.then(() => undefined), ended]);
    if (first !== undefined) throw refusedBy(first);
    ended.catch(this.#tools.onError);
  }

  /** Ends the window that is open, if one is. Resolves when the gate was told. */
  async isolate(): Promise<void> {
    const run = this.#running;
    this.#held = undefined;
    this.#gate.cut();
    await run?.catch(() => {});
  }

  /**
   * Somebody has seen a failure. After a write that failed only opening again shows what is on the disk: that is done here,
   * as often as it takes.
   */
  failed(error: unknown): void {
    if (!isMetersealError(error, 'commit-failed', 'disk-full') || this.#isMending) return;
    this.#isMending = true;
    this.#mend()
      .catch(this.#tools.onError)
      .finally(() => {
        this.#isMending = false;
      });
  }

  /** Ends what is under way and closes the files. Resolves when the folder is free. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** One at a time: making the key's files twice at once, one would be in the other's way. */
  #openKey(): ReturnType<typeof openCollectorKey> {
    this.#key ??= openCollectorKey(this.#settings.dir);
    const key = this.#key;
    key.catch(() => {
      if (this.#key === key) this.#key = undefined;
    });
    return key;
  }

  async #open(): Promise<Collector> {
    const { platform, dir, control: _, maxWindow, anchoringDelay } = this.#settings;
    await folderIsFree(dir);
    return openCollector({
      dir,
      crypto: javascriptEngine,
      signer: await this.#openKey(),
      clock: this.#tools.clock,
      random: (length) => new Uint8Array(randomBytes(length)),
      ...platform,
      control: this.#gate,
      limits: { maxWindow, anchoringDelay },
      onStored: (readings) => this.stored.tell(readings),
    });
  }

  async #mend(): Promise<void> {
    const { clock, onError } = this.#tools;
    const { signal } = this.#closed;
    for (;;) {
      await clock.sleep(MEND_MS, signal);
      if (signal.aborted) return;
      const before = this.#opening;
      const handover = holdFolder(this.#settings.dir);
      try {
        await (await before?.catch(() => undefined))?.close();
      } finally {
        handover();
      }
      if (this.#opening === before) this.#opening = undefined;
      try {
        return this.reopened.tell(await this.collector());
      } catch (error) {
        if (!signal.aborted) onError(error);
      }
    }
  }

  #start(maxMs?: number): Promise<ComparisonResult> {
    const run = this.#compare(maxMs);
    this.#running = run;
    const ended = (): void => {
      if (this.#running === run) this.#running = undefined;
    };
    run.then(ended, ended);
    return run;
  }

  #afterTurn(): Promise<ComparisonResult> {
    this.#next = undefined;
    return this.#closing === undefined ? this.#start() : Promise.reject(stopped());
  }

  async #compare(maxMs: number | undefined): Promise<ComparisonResult> {
    const collector = await this.collector();
    try {
      const result = await collector.compare(maxMs === undefined ? {} : { maxMs });
      this.compared.tell(result);
      return result;
    } catch (error) {
      this.failed(error);
      throw error;
    }
  }

  #untilConnected(): Promise<void> {
    return new Promise((done) => {
      const leave = this.switched.join(({ state }) => {
        if (state === 'connecting') return;
        leave();
        if (state === 'connected') done();
      });
    });
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    const handover = holdFolder(this.#settings.dir);
    try {
      const opening = this.#opening;
      this.#held = undefined;
      this.#gate.end();
      if (opening !== undefined) await (await opening.catch(() => undefined))?.close();
    } finally {
      handover();
    }
  }
}

function stopped(): MetersealError {
  return new MetersealError('stopped', "couldn't use link: it is closed");
}

/** Why a window did not open, as an error for whoever asked for it. */
function refusedBy({ outcome, why }: ComparisonResult): MetersealError {
  const code = outcome === 'link-denied' || outcome === 'link-fault' ? outcome : 'unreachable';
  return new MetersealError(code, why ?? `couldn't connect: ${outcome}`, {
    hint: "Check the gate's address, and that the box's configuration names this collector's key.",
  });
}
