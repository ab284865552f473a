import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import { writeFileAtomically } from '../../host/private-file.js';
import { makePrivateFolder } from '../../host/state-folder.js';
import { Child } from './child.js';
import type { NodeRedRuntime } from './node-red-runtime.js';
import type { FlowNode } from './page/quick-start.js';

export type NodeRedOptions = {
  readonly runtime: NodeRedRuntime;
  /** Node-RED's user directory; made if it is not there. */
  readonly folder: string;
  /** On 127.0.0.1. */
  readonly port: number;
  readonly logFile: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly onEnd: (error: MetersealError) => void;
};

const READY_MS = 60_000;

/**
 * Node-RED as a process of its own. It listens on this machine only, asks nobody outside anything, and keeps its flow,
 * with whatever was changed in the editor, from start to start.
 */
export class NodeRed {
  readonly url: string;
  readonly #options: NodeRedOptions;
  readonly #child: Child;

  constructor(options: NodeRedOptions) {
    const { runtime, folder, port, logFile, environment, onEnd } = options;
    this.#options = options;
    this.url = `http://127.0.0.1:${port}`;
    makePrivateFolder(folder);
    const settings = join(folder, 'settings.cjs');
    writeFileAtomically(settings, settingsText(this.#secret()), 0o600);
    const args = [runtime.script, '--userDir', folder, '--settings', settings, '--port', String(port)];
    this.#child = new Child('Node-RED', args, logFile, onEnd, {
      node: runtime.node,
      environment,
      logsOutput: true,
    });
  }

  /**
   * Resolves when its editor answers.
   *
   * @param assertWanted throws where there is no use in waiting any more
   */
  async ready(assertWanted: () => void = () => {}): Promise<void> {
    const end = performance.now() + READY_MS;
    while (!(await this.#answers())) {
      this.#child.assertRunning();
      assertWanted();
      if (performance.now() > end) {
        throw new MetersealError('timeout', `couldn't start Node-RED: no answer within ${READY_MS} ms`, {
          hint: `Its log: ${this.#options.logFile}`,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /**
   * Deploys a flow, unless this very flow was deployed before: it is then kept as it was changed since.
   *
   * @throws MetersealError `file-unusable` where Node-RED could not load a node of it
   */
  async deployOnce(flow: readonly FlowNode[]): Promise<void> {
    await this.#checkTypes(flow);
    const body = JSON.stringify({ flows: flow });
    const file = join(this.#options.folder, 'deployed');
    const digest = createHash('sha256').update(body).digest('hex');
    if (existsSync(file) && readFileSync(file, 'utf8') === digest) return;
    const response = await fetch(`${this.url}/flows`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Node-RED-API-Version': 'v2' },
      body,
    });
    if (!response.ok) {
      throw new MetersealError('unreachable', `couldn't deploy flow: Node-RED answered ${response.status}`, {
        hint: `Its log: ${this.#options.logFile}`,
      });
    }
    writeFileAtomically(file, digest, 0o600);
  }

  async #checkTypes(flow: readonly FlowNode[]): Promise<void> {
    const response = await fetch(`${this.url}/nodes`, { headers: { Accept: 'application/json' } });
    const sets = (await response.json()) as readonly { types: readonly string[]; err?: unknown }[];
    const known = new Set(sets.filter(({ err }) => err === undefined).flatMap(({ types }) => types));
    const missing = new Set(
      flow.map(({ type }) => type).filter((type) => type !== 'tab' && !known.has(type)),
    );
    if (missing.size === 0) return;
    const names = [...missing].join(', ');
    throw new MetersealError('file-unusable', `couldn't deploy flow: Node-RED did not load ${names}`, {
      hint: `Its log says why: ${this.#options.logFile}`,
    });
  }

  async stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#child.stop(signal);
  }

  async #answers(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/settings`)).ok;
    } catch {
      // It does not listen yet.
      return false;
    }
  }

  /** Its credentials are encrypted with it, so it must outlive the process. */
  #secret(): string {
    const file = join(this.#options.folder, 'secret');
    if (!existsSync(file)) writeFileAtomically(file, randomBytes(24).toString('base64url'), 0o600);
    return readFileSync(file, 'utf8');
  }
}

/**
 * Node-RED's settings. A page of another site that has its own name point to this machine is refused by the name that it
 * asks for: the editor has no login, and whoever uses it can run programs.
 */
function settingsText(credentialSecret: string): string {
  const settings = {
    flowFile: 'flows.json',
    flowFilePretty: true,
    credentialSecret,
    uiHost: '127.0.0.1',
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false, projects: { enabled: false }, palette: { catalogues: [] } },
    externalModules: {
      autoInstall: false,
      palette: { allowInstall: false, allowUpload: false },
      modules: { allowInstall: false },
    },
    functionExternalModules: false,
    contextStorage: { default: { module: 'localfilesystem' } },
    logging: { console: { level: 'info', metrics: false, audit: false } },
  };
  return `// Written by meterseal demo at each start.
const settings = ${JSON.stringify(settings, null, 2)};

const isHere = (host) => ['127.0.0.1', 'localhost', '[::1]'].includes(String(host).replace(/:\\d+$/, ''));

function onlyFromHere(request, response, next) {
  if (isHere(request.headers.host)) next();
  else response.status(403).end();
}

/** The page's own connection: the same, and no other site's. */
function onlyThisPage({ handshake }, next) {
  next(isHere(handshake.headers.host) && !handshake.xdomain ? undefined : new Error('refused'));
}

module.exports = {
  ...settings,
  httpAdminMiddleware: onlyFromHere,
  httpNodeMiddleware: onlyFromHere,
  dashboard: { ioMiddleware: onlyThisPage },
};
`;
}
