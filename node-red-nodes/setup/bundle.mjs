// Makes dist/bundle/meterseal.js of the compiled nodes: one CommonJS file with everything in it, because Node-RED 4.1 loads
// nodes by `require`, and because a palette install must neither fetch nor compile anything else.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const folder = fileURLToPath(new URL('../', import.meta.url));
const out = join(folder, 'dist', 'bundle');

const { outputFiles } = await build({
  entryPoints: [join(folder, 'dist', 'adapters', 'index.js')],
  outfile: join(out, 'meterseal.js'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  legalComments: 'inline',
  logLevel: 'warning',
  write: false,
});
mkdirSync(out, { recursive: true });
writeFileSync(join(out, 'package.json'), '{ "type": "commonjs" }\n');
// A Node-RED that starts meanwhile finds the old one or the new one, never half of it.
const [{ path, contents }] = outputFiles;
const unfinished = `${path}.${process.pid}`;
writeFileSync(unfinished, contents);
renameSync(unfinished, path);
