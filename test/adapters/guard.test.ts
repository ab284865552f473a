import {
  answer,
  callback,
  onClose,
  onInput,
  setUp,
  tell,
} from '@meterseal/node-red-meterseal/internal/adapters/guard';
import type { Message, Red, RedNode, Send } from '@meterseal/node-red-meterseal/internal/adapters/red';
import { MetersealError } from '@meterseal/protocol';
import t from 'tap';

type Handler = (...args: never[]) => void;

/** What of a node the guard sees, and what was said to it. */
function node() {
  const handlers = new Map<string, Handler>();
  const errors: unknown[][] = [];
  const own = {
    on: (event: string, handler: Handler) => handlers.set(event, handler),
    error: (...args: unknown[]) => errors.push(args),
  } as unknown as RedNode;
  const input = (message: Message): Promise<unknown> =>
    new Promise((done) =>
      (handlers.get('input') as unknown as (...args: unknown[]) => void)(message, () => {}, done),
    );
  const close = (): Promise<void> =>
    new Promise((done) => (handlers.get('close') as unknown as (...args: unknown[]) => void)(false, done));
  return { own, errors, input, close };
}

const broken = new MetersealError('busy', "couldn't compare: another one runs", { hint: 'Try again.' });

t.test(
  'what taking a message throws or rejects with is handed to done, with its hint and code',
  async (t) => {
    const failures: ((message: Message, send: Send) => Promise<void>)[] = [
      () => Promise.reject(broken),
      () => {
        throw broken;
      },
    ];
    for (const fail of failures) {
      const { own, input } = node();
      onInput(own, fail);
      t.match(await input({}), { code: 'busy', message: "couldn't compare: another one runs. Try again." });
    }
    const { own, input } = node();
    onInput(own, () => Promise.reject('a text'));
    t.match(await input({}), { message: 'a text' });
  },
);

t.test('done is called once, when the work has ended', async (t) => {
  const { own, input } = node();
  let isDone = false;
  onInput(own, async () => {
    await new Promise((resolve) => setImmediate(resolve));
    isDone = true;
  });
  t.equal(await input({}), undefined);
  t.ok(isDone);
});

t.test('closing ends, whatever it throws, and however long it takes', async (t) => {
  const failing = node();
  onClose(failing.own, () => {
    throw broken;
  });
  await failing.close();
  t.equal(failing.errors.length, 1);
  const hanging = node();
  onClose(hanging.own, () => new Promise(() => {}));
  await hanging.close();
});

t.test('a node whose set-up throws says so once the flows have started, and stands', async (t) => {
  const { own, errors } = node();
  const started: (() => void)[] = [];
  const red = {
    events: { once: (_: string, handler: () => void) => started.push(handler) },
  } as unknown as Red;
  setUp(red, own, () => {
    throw broken;
  });
  t.same(errors, []);
  for (const handler of started) handler();
  t.match(errors, [[{ code: 'busy' }, {}]]);
});

t.test('a callback that throws is an error of its node', async (t) => {
  const { own, errors } = node();
  callback(own, (text: string) => {
    throw new Error(text);
  })('no');
  t.match(errors, [[{ message: 'no' }, {}]]);
});

t.test('a node that cannot even be told of an error ends nothing', async (t) => {
  const own = {
    error: () => {
      throw new Error('gone');
    },
  } as unknown as RedNode;
  t.doesNotThrow(() => tell(own, broken));
});

t.test('an answer for the editor is what was asked for, or the error', async (t) => {
  const ask = (give: () => Promise<unknown>): Promise<unknown> =>
    new Promise((resolve) => {
      let status = 0;
      const response = {
        status(code: number) {
          status = code;
          return response;
        },
        json: (body: unknown) => resolve([status, body]),
      };
      answer(give)({ params: {} }, response);
    });
  t.same(await ask(async () => ({ key: 'abc' })), [200, { key: 'abc' }]);
  t.match(await ask(() => Promise.reject(broken)), [500, { code: 'busy' }]);
});
