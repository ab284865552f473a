/**
 * Tries to reach what is named on the command line, each as `connect=PATH`, `read=PATH`, `list=PATH` or `write=PATH`, and
 * prints how each attempt ended, as one JSON object: `reached`, or the system's code.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';

const ended: Record<string, string> = {};
for (const attempt of process.argv.slice(2)) {
  const [how, path] = attempt.split('=') as [string, string];
  ended[attempt] = await trying(how, path);
}
process.stdout.write(`${JSON.stringify(ended)}\n`);

async function trying(how: string, path: string): Promise<string> {
  try {
    if (how === 'read') readFileSync(path);
    else if (how === 'list') readdirSync(path);
    else if (how === 'write') writeFileSync(path, 'x', { flag: 'a' });
    else await connected(path);
    return 'reached';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

function connected(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', reject);
  });
}
