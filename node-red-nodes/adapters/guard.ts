import { isMetersealError } from '@meterseal/protocol';
import type { HttpHandler, HttpRequest, HttpResponse, Message, Red, RedNode, Send } from './red.js';

/**
 * The one way from Node-RED into our code. Whatever a callback throws or rejects with becomes an error of its node, which
 * a Catch node sees; none of it can end Node-RED. Callbacks are handed to Node-RED here and nowhere else: a test sees to
 * that.
 */

/** How long closing may take before Node-RED goes on; what is left ends by itself. */
const CLOSE_MS = 900;

/**
 * Makes a node: what its set-up throws is the node's error, and leaves the node standing. It is told when the flows have
 * started: before that no Catch node hears it.
 */
export function setUp(red: Red, node: RedNode, make: () => void): void {
  try {
    make();
  } catch (error) {
    red.events.once('flows:started', () => tell(node, error));
  }
}

/** Messages to the node. `done` is called once, when `take` has ended: Complete and Catch nodes work. */
export function onInput(node: RedNode, take: (message: Message, send: Send) => Promise<void>): void {
  node.on('input', (message, send, done) => {
    attempt(() => take(message, send)).then(
      () => done(),
      (error: unknown) => done(errorOf(error)),
    );
  });
}

/** The node goes: `close` is given a second, whatever it does. */
export function onClose(node: RedNode, close: (removed: boolean) => Promise<void>): void {
  node.on('close', (removed, done) => {
    const timer = setTimeout(done, CLOSE_MS);
    const end = (): void => {
      clearTimeout(timer);
      done();
    };
    attempt(() => close(removed))
      .catch((error: unknown) => tell(node, error))
      .then(end, end);
  });
}

/** A callback for our own controllers: what it throws is the node's error. */
export function callback<A extends unknown[]>(
  node: RedNode,
  call: (...args: A) => void,
): (...args: A) => void {
  return (...args) => {
    try {
      call(...args);
    } catch (error) {
      tell(node, error);
    }
  };
}

/** An answer for the editor; what goes wrong is its answer. */
export function answer(give: (request: HttpRequest) => Promise<unknown>): HttpHandler {
  return (request: HttpRequest, response: HttpResponse) => {
    attempt(() => give(request)).then(
      (body) => reply(response, 200, body),
      (error: unknown) => {
        const { message, code } = errorOf(error);
        reply(response, 500, { code: code ?? 'internal', message });
      },
    );
  };
}

/** An error of the node itself, which a Catch node sees. */
export function tell(node: RedNode, error: unknown): void {
  try {
    // Without a message as the second argument a Catch node would not see it.
    node.error(errorOf(error), {});
  } catch {
    // A node that cannot even log has gone.
  }
}

/** What people are told: what happened, and what they can do about it. The code is for Catch nodes. */
function errorOf(error: unknown): Error & { code?: string } {
  if (!(error instanceof Error)) return new Error(String(error));
  if (!isMetersealError(error) || error.hint === undefined) return error;
  return Object.assign(new Error(`${error.message}. ${error.hint}`), { code: error.code, name: error.name });
}

/** Async functions that throw before their first promise are caught as well. */
async function attempt<T>(work: () => Promise<T>): Promise<T> {
  return await work();
}

function reply(response: HttpResponse, status: number, body: unknown): void {
  try {
    response.status(status).json(body);
  } catch {
    // The editor has gone.
  }
}
