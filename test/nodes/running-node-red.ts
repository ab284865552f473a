import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pinnedNode } from 'meterseal/internal/commands/demo/node-red-runtime';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const PACKAGE = join(ROOT, 'node-red-nodes');
const DEADLINE_MS = 60_000;

export type Flow = readonly Readonly<Record<string, unknown>>[];

/** A Node-RED that is installed: its Node, and its start file. */
export type Installed = { readonly node: string; readonly red: string; readonly version: string };

/** The Node-RED of a major version that node-red-nodes/runtime has: 5 on the Node beside it, 4 on this one. */
export function installed(major: '5' | '4'): Installed | undefined {
  const modules = join(PACKAGE, 'runtime', 'node_modules');
  const red = join(modules, major === '5' ? 'node-red' : 'node-red-4', 'red.js');
  const node = major === '5' ? pinnedNode() : process.execPath;
  if (!existsSync(node) || !existsSync(red)) return undefined;
  const { version } = JSON.parse(readFileSync(join(dirname(red), 'package.json'), 'utf8')) as {
    version: string;
  };
  return { node, red, version };
}

/** Why there is nothing to test with; false where there is. */
export function notInstalled(major: '5' | '4'): string | false {
  return installed(major) === undefined && `no Node-RED ${major} is installed here`;
}

/** What every test flow's nodes were built from. */
export function bundleNodes(): void {
  const { status, stderr } = spawnSync(process.execPath, [join(PACKAGE, 'setup', 'bundle.mjs')], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`couldn't bundle nodes: ${stderr}`);
}

/** Node-RED in a process of its own, with our nodes as the only ones that are not its own. */
export class NodeRed {
  readonly userDir: string;
  readonly port: number;
  readonly #installed: Installed;
  readonly #env: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #log = '';

  private constructor(
    which: Installed,
    userDir: string,
    port: number,
    env: Readonly<Record<string, string>>,
  ) {
    this.#env = env;
    this.#installed = which;
    this.userDir = userDir;
    this.port = port;
  }

  /**
   * @param linked our package is taken from this checkout
   * @param env added to this process's environment
   */
  static async start(
    t: { teardown(end: () => Promise<void>): void; passing(): boolean; comment(text: string): void },
    which: Installed,
    userDir: string,
    { linked = true, env = {} }: { linked?: boolean; env?: Readonly<Record<string, string>> } = {},
  ): Promise<NodeRed> {
    const scope = join(userDir, 'node_modules', '@meterseal');
    if (linked && !existsSync(scope)) {
      mkdirSync(scope, { recursive: true });
      symlinkSync(PACKAGE, join(scope, 'node-red-meterseal'));
    }
    const port = await freePort();
    writeFileSync(join(userDir, 'settings.js'), SETTINGS);
    // A folder of its own, whatever package.json stands above it.
    if (!existsSync(join(userDir, 'package.json'))) {
      writeFileSync(join(userDir, 'package.json'), '{ "private": true }\n');
    }
    const red = new NodeRed(which, userDir, port, env);
    t.teardown(async () => {
      await red.stop();
      if (!t.passing()) for (const line of red.log.split('\n').slice(-60)) t.comment(line);
    });
    await red.run();
    return red;
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#process!.pid!;
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** Starts it, again if it was stopped; resolves when its editor answers. */
  async run(): Promise<void> {
    const { node, red } = this.#installed;
    const args = [red, '--userDir', this.userDir, '--settings', join(this.userDir, 'settings.js')];
    const child = spawn(node, [...args, '--port', String(this.port)], {
      cwd: this.userDir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NODE_OPTIONS: '', ...this.#env },
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
      });
    }
    await until('Node-RED answers', async () => {
      if (!this.isRunning) throw new Error(`Node-RED has ended: ${this.#log.slice(-2_000)}`);
      return (await fetch(this.#url('settings')).catch(() => undefined))?.ok === true;
    });
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#process!, 'exit');
    this.#process!.kill(signal);
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill('SIGTERM');
  }

  /** Deploys flows; `credentials` stand on the nodes that have them. @returns milliseconds that it took */
  async deploy(flows: Flow): Promise<number> {
    const started = performance.now();
    const headers = { 'content-type': 'application/json', 'node-red-api-version': 'v2' };
    // Without a place on the canvas Node-RED takes a node for a config node.
    const placed = flows.map((node) => ('z' in node ? { x: 100, y: 100, ...node } : node));
    const body = JSON.stringify({ flows: placed });
    const answer = await fetch(this.#url('flows'), { method: 'POST', headers, body });
    if (!answer.ok) throw new Error(`couldn't deploy: ${answer.status} ${await answer.text()}`);
    await answer.text();
    return performance.now() - started;
  }

  async get<T>(path: string): Promise<T> {
    const answer = await fetch(this.#url(path), { headers: { accept: 'application/json' } });
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return (await answer.json()) as T;
  }

  /** Presses the button of an inject node; one that was just deployed may not be there yet. */
  async inject(id: string): Promise<void> {
    await until(`button ${id} is there`, async () => {
      const answer = await fetch(this.#url(`inject/${id}`), { method: 'POST' });
      if (!answer.ok && answer.status !== 404) throw new Error(`couldn't inject: ${answer.status}`);
      return answer.ok;
    });
  }

  #url(path: string): string {
    return `http://127.0.0.1:${this.port}/${path}`;
  }
}

const SETTINGS = `module.exports = {
  flowFile: 'flows.json',
  credentialSecret: 'for tests only',
  uiHost: '127.0.0.1',
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, projects: { enabled: false }, palette: { catalogues: [] } },
  externalModules: { palette: { allowInstall: false, allowUpload: false }, modules: { allowInstall: false } },
};
`;

/** Receives what flows send it: one message a line, by tag. */
export class Outlet {
  readonly port: number;
  readonly #sockets = new Set<Socket>();
  readonly #messages = new Map<string, Record<string, never>[]>();

  private constructor(server: Server) {
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => {
      let rest = '';
      this.#sockets.add(socket);
      socket.setEncoding('utf8').on('error', () => {});
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.#put(JSON.parse(line));
      });
    });
  }

  static async start(t: { teardown(end: () => Promise<void>): void }): Promise<Outlet> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const outlet = new Outlet(server);
    t.teardown(async () => {
      for (const socket of outlet.#sockets) socket.destroy();
      server.close();
    });
    return outlet;
  }

  /** Messages of a tag so far. They are whatever a flow made of them. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads of a message what it expects to be there
  of(tag: string): any[] {
    return this.#messages.get(tag) ?? [];
  }

  // biome-ignore lint/suspicious/noExplicitAny: as above
  async until(tag: string, count: number): Promise<any[]> {
    await until(
      `${count} messages of ${tag}`,
      async () => this.of(tag).length >= count,
      () => `${this.of(tag).length} came`,
    );
    return this.of(tag);
  }

  forget(): void {
    this.#messages.clear();
  }

  /** Nodes that send messages here, and the one that is to be wired to for each tag. */
  nodes(flow: string, ...tags: string[]): Flow {
    const taps = tags.map((tag) => ({
      id: `tap-${tag}`,
      type: 'function',
      z: flow,
      func: `const { _msgid, res, req, ...rest } = msg; return { payload: JSON.stringify({ tag: ${JSON.stringify(tag)}, msg: rest }) + '\\n' };`,
      outputs: 1,
      wires: [['outlet']],
    }));
    const end = { id: 'outlet', type: 'tcp out', z: flow, host: '127.0.0.1', port: String(this.port) };
    return [...taps, { ...end, beserver: 'client', base64: false, end: false, wires: [] }];
  }

  #put({ tag, msg }: { tag: string; msg: Record<string, never> }): void {
    const known = this.#messages.get(tag);
    if (known === undefined) this.#messages.set(tag, [msg]);
    else known.push(msg);
  }
}

export async function until(
  what: string,
  isSo: () => Promise<boolean>,
  state: () => string = () => '',
): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what} ${state()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One that was free a moment ago; nobody else on this machine asks the system for that one again so soon. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
