/*
 * What of Node-RED's runtime the nodes use, and nothing else of it: the same in 4.1 and 5.
 */

export type Message = Record<string, unknown>;
export type Send = (message: Message | (Message | null)[]) => void;
export type Done = (error?: unknown) => void;

export type Status = {
  fill?: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  shape?: 'ring' | 'dot';
  text?: string;
};

/** A node as Node-RED makes it: what `createNode` turns the `this` of a constructor into. */
export interface RedNode {
  readonly id: string;
  readonly name?: string;
  readonly credentials?: Readonly<Record<string, string | undefined>>;
  on(event: 'input', handler: (message: Message, send: Send, done: Done) => void): void;
  on(event: 'close', handler: (removed: boolean, done: () => void) => void): void;
  send(message: Message | (Message | null)[]): void;
  status(status: Status): void;
  error(error: unknown, message?: Message): void;
  warn(text: string): void;
  log(text: string): void;
}

/** Properties of a node as the editor saved them: whatever somebody put into a flow file. */
export type NodeConfig = Readonly<Record<string, unknown>>;

/** The core node that keeps certificates. */
export interface TlsConfigNode extends RedNode {
  addTLSOptions(options: object): Record<string, unknown>;
}

export type HttpRequest = { readonly params: Readonly<Record<string, string>> };
export interface HttpResponse {
  status(code: number): HttpResponse;
  json(body: unknown): void;
}
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void;

export interface Red {
  readonly events: { once(event: 'flows:started', handler: () => void): void };
  readonly nodes: {
    createNode(node: RedNode, config: NodeConfig): void;
    getNode(id: string): RedNode | null;
  };
  readonly settings: { readonly userDir?: string };
  readonly httpAdmin: { get(path: string, ...handlers: unknown[]): void };
  readonly auth: { needsPermission(permission: string): unknown };
}

/** What `registerType` is given. */
export type NodeConstructor = (this: RedNode, config: NodeConfig) => void;
