import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { SwitchTransition } from '@meterseal/protocol';
import { equalBytes, toHex, transitionBytes, transitionFromBytes } from '@meterseal/protocol';

/** Stands for switch.sock: keeps transitions by the chain's rules, and can be away or deaf. */
export class SwitchChainServer {
  readonly transitions: SwitchTransition[] = [];
  /** What happens to transitions: answered, committed without an answer, or neither. */
  mode: 'answers' | 'commits-silently' | 'ignores' = 'answers';
  /** Called before a transition is taken. */
  onPost: (transition: SwitchTransition) => void = () => {};
  posts = 0;
  #server: Server;

  constructor() {
    this.#server = this.#create();
  }

  async start(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
    this.#server = this.#create();
  }

  /** `to`, with the fault if there is one, of all transitions so far. */
  get line(): string {
    return this.transitions.map(({ to, fault }) => (fault === 'none' ? to : `${to}:${fault}`)).join(' ');
  }

  #create(): Server {
    return createServer((asked, response) => {
      const chunks: Buffer[] = [];
      asked.on('data', (chunk: Buffer) => chunks.push(chunk));
      asked.on('end', () => {
        const url = new URL(asked.url ?? '/', 'http://switch');
        if (asked.method === 'GET' && url.pathname === '/transitions/last') this.#last(response);
        else if (asked.method === 'POST' && url.pathname === '/transitions') {
          this.#post(Number(url.searchParams.get('seq')), Buffer.concat(chunks), response);
        } else answer(response, 404, { code: 'not-found', message: 'no such path', hint: '' });
      });
    });
  }

  #last(response: ServerResponse): void {
    const last = this.transitions.at(-1);
    answer(response, 200, { seq: this.transitions.length, to: last?.to ?? 'isolated' });
  }

  #post(seq: number, body: Buffer, response: ServerResponse): void {
    this.posts++;
    if (this.mode === 'ignores') return;
    const transition = transitionFromBytes(body);
    this.onPost(transition);
    const known = this.transitions[seq - 1];
    const refusal = known === undefined ? this.#refusal(seq, transition) : null;
    const same = known === undefined || equalBytes(transitionBytes(known), body);
    if (refusal === null && known === undefined) this.transitions.push(transition);
    if (this.mode === 'commits-silently') return;
    if (refusal !== null || !same) {
      const code = refusal ?? 'transition-refused';
      return void answer(response, 409, { code, message: `couldn't commit transition: ${code}`, hint: '' });
    }
    answer(response, 200, { index: 1_000 + seq });
  }

  #refusal(seq: number, transition: SwitchTransition): string | null {
    const from = this.transitions.at(-1)?.to ?? 'isolated';
    if (seq !== this.transitions.length + 1 || transition.from !== from) return 'transition-refused';
    if (transition.to !== 'connecting') return null;
    const used = this.transitions.filter(
      ({ to, who }) => to === 'connecting' && toHex(who) === toHex(transition.who),
    );
    return used.every(({ counter }) => counter < transition.counter) ? null : 'lease-replayed';
  }
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
