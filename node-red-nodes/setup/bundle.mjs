// Makes dist/bundle/meterseal.js of the compiled nodes: one CommonJS file with everything in it, because Node-RED 4.1 loads
// nodes by `require`, and because a palette install must neither fetch nor compile anything else.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const folder = fileURLToPath(new URL('../', import.meta.url));
const out = join(folder, 'dist', 'bundle');

rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: [join(folder, 'dist', 'adapters', 'index.js')],
  outfile: join(out, 'meterseal.js'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  legalComments: 'inline',
  logLevel: 'warning',
});
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
