import { createServer } from 'node:net';
import { join } from 'node:path';
import { MetersealError } from '@meterseal/protocol';
import { readSecretLine } from '../../config/secret-line.js';
import { DEMO_METERS, DemoBox, MAIN, PLATFORM_ID } from './demo-box.js';
import { NodeRed } from './node-red.js';
import { nodeRedRuntime } from './node-red-runtime.js';
import { PAGE_PATH, pageFlow } from './page/page-flow.js';
import type { FlowEnvironment } from './page/quick-start.js';

const INTERVAL = '2s';
const LOOK_MS = 500;

export type PageOptions = {
  readonly state: string;
  /** Of Node-RED, on 127.0.0.1. */
  readonly port: number;
};

/**
 * The line with Node-RED as its collector, and a page that shows it, until `stop` is aborted.
 *
 * @throws MetersealError `address-in-use`; `file-missing` where Node-RED was not set up; `stopped` if a process ended
 */
export async function showPage(
  { state, port }: PageOptions,
  out: NodeJS.WritableStream,
  stop: AbortSignal,
): Promise<void> {
  const runtime = nodeRedRuntime();
  await checkPort(port);
  const box = new DemoBox({ state, interval: INTERVAL });
  stop.addEventListener('abort', () => box.abandon());
  let nodeRed: NodeRed | undefined;
  try {
    out.write('starting three simulated meters, the box and Node-RED …\n');
    await box.launchBox();
    box.assertAlive();
    nodeRed = new NodeRed({
      runtime,
      folder: join(box.state.root, 'node-red'),
      port,
      logFile: join(box.logs, 'node-red.log'),
      environment: { ...environmentOf(box) },
      onEnd: (error) => box.fail(error),
    });
    await nodeRed.ready(() => box.assertAlive());
    await nodeRed.deployOnce(pageFlow(Object.fromEntries(DEMO_METERS.map(({ id, holder }) => [id, holder]))));
    out.write(`
  page      ${nodeRed.url}${PAGE_PATH}
  Node-RED  ${nodeRed.url}/

state in ${state}; Ctrl-C ends everything
`);
    while (!stop.aborted) {
      box.assertAlive();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    out.write('\nending …\n');
    await nodeRed?.stop();
    await box.stop();
  }
}

function environmentOf(box: DemoBox): FlowEnvironment {
  const { control, collector } = box.ports;
  const insider = [process.execPath, MAIN, 'demo', '--state', box.state.root, 'insider'];
  return {
    METERSEAL_PLATFORM_ID: PLATFORM_ID,
    METERSEAL_POLICY: box.state.policy,
    METERSEAL_COLLECTOR: box.state.collector,
    METERSEAL_CONTROL_PORT: String(control),
    METERSEAL_COLLECTOR_PORT: String(collector),
    METERSEAL_TOKEN: readSecretLine(box.tokenFile, 'token'),
    METERSEAL_INSIDER: insider.map(shellWord).join(' '),
  };
}

function shellWord(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** @throws MetersealError `address-in-use` before anything was started */
async function checkPort(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    await new Promise((resolve) => server.close(resolve));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw cause;
    const why = code === 'EACCES' ? 'may not be used by this user' : 'is taken';
    throw new MetersealError('address-in-use', `couldn't start demo: port ${port} of 127.0.0.1 ${why}`, {
      hint: `Does a Node-RED or another demo run? End it, or choose another port: npm start -- --port ${port + 1}`,
      cause,
    });
  }
}
