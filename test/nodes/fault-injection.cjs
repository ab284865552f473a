// Preloaded into Node-RED: lets functions of Node's own fail where our nodes call them, while the file named by
// METERSEAL_FAULTS says so. Everybody else's calls are left alone.

const { readFileSync } = require('node:fs');
const crypto = require('node:crypto');
const files = require('node:fs/promises');
const http = require('node:http');
const net = require('node:net');

const active = (kind) => {
  try {
    return readFileSync(process.env.METERSEAL_FAULTS, 'utf8').split(' ').includes(kind);
  } catch {
    return false;
  }
};
const isOurs = () => {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const { stack } = new Error('where');
  Error.stackTraceLimit = before;
  return stack.includes('bundle/meterseal.js');
};
const injected = () => Object.assign(new Error('injected'), { code: 'EINJECTED' });

function patch(object, name, replace) {
  const original = object[name];
  object[name] = replace(original);
}

patch(net, 'connect', (connect) => (...args) => {
  if (isOurs() && active('connect-throws')) throw injected();
  const socket = connect(...args);
  if (isOurs() && active('connect-errors')) setImmediate(() => socket.destroy(injected()));
  return socket;
});

patch(http, 'createServer', (createServer) => (...args) => {
  const server = createServer(...args);
  if (isOurs()) {
    server.on('connection', (socket) => {
      if (active('socket-errors')) setImmediate(() => socket.destroy(injected()));
    });
    patch(server, 'listen', (listen) => (...to) => {
      if (active('listen-throws')) throw injected();
      return listen.apply(server, to);
    });
  }
  return server;
});

patch(
  http.ServerResponse.prototype,
  'writeHead',
  (writeHead) =>
    function (...args) {
      if (isOurs() && active('answer-throws')) throw injected();
      return writeHead.apply(this, args);
    },
);

for (const name of ['open', 'mkdir', 'readdir', 'readFile', 'rename', 'unlink']) {
  patch(files, name, (call) => (...args) => {
    if (isOurs() && active('files-throw')) throw injected();
    if (isOurs() && active('files-reject')) return Promise.reject(injected());
    return call(...args);
  });
}

files.open(__filename).then(async (handle) => {
  const prototype = Object.getPrototypeOf(handle);
  await handle.close();
  for (const name of ['write', 'writev', 'read', 'sync', 'datasync', 'truncate', 'stat']) {
    if (typeof prototype[name] !== 'function') continue;
    patch(
      prototype,
      name,
      (call) =>
        function (...args) {
          const isWrite = name.startsWith('write');
          if (isWrite && active('disk-full') && isOurs()) {
            return Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
          }
          return active('disk-rejects') && isOurs() ? Promise.reject(injected()) : call.apply(this, args);
        },
    );
  }
});

for (const name of ['createHash', 'hash', 'sign', 'verify', 'randomBytes']) {
  if (typeof crypto[name] !== 'function') continue;
  patch(crypto, name, (call) => (...args) => {
    if (active('crypto-throws') && isOurs()) throw injected();
    return call(...args);
  });
}
