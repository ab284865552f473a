import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';

export type ProofRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
};

/** Stands for proof.sock: writes down what reaches it, and answers what the test says. */
export class ProofServer {
  readonly requests: ProofRequest[] = [];
  /** Connections that were ever made to it. */
  connections = 0;
  answer: (request: ProofRequest, response: ServerResponse) => void = (_request, response) => {
    response.end('checkpoint\n');
  };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((asked, response) => {
      const chunks: Buffer[] = [];
      asked.on('data', (chunk: Buffer) => chunks.push(chunk));
      asked.on('end', () => {
        const { method = '', url = '', headers } = asked;
        const request = { method, url, headers, body: Buffer.concat(chunks) };
        this.requests.push(request);
        this.answer(request, response);
      });
    });
    this.#server.on('connection', (socket: Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get live(): number {
    return this.#sockets.size;
  }

  async start(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
