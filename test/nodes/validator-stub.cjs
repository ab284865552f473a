// Preloaded into node-red-dev: its requests are answered here. The catalogue lists nobody else's nodes; the registry knows
// the releases of Node-RED that this checkout has.

const Module = require('node:module');
const {
  version: latest,
  engines,
} = require('../../node-red-nodes/runtime/node_modules/node-red/package.json');
const { version: maintenance } = require('../../node-red-nodes/runtime/node_modules/node-red-4/package.json');

/** By path: which hosts they are asked of is the validator's affair. */
const ANSWERS = {
  '/catalogue.json': { modules: [] },
  '/node-red': {
    'dist-tags': { latest, 'v4-maintenance': maintenance },
    versions: { [latest]: { engines } },
  },
};

async function get(url) {
  const data = ANSWERS[new URL(url).pathname];
  if (data === undefined) throw new Error(`no request to ${url}`);
  return { data };
}

const load = Module._load;
Module._load = function (request, ...rest) {
  return request === 'axios' ? { get } : load.call(this, request, ...rest);
};
