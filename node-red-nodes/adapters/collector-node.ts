import { systemClock } from '@meterseal/node-red-meterseal/core';
import { MetersealError } from '@meterseal/protocol';
import { CollectorController } from '../controllers/collector.js';
import { callback, onClose, setUp, tell } from './guard.js';
import { linkOf } from './link-node.js';
import { isSet, numberOf, portOf, textOf } from './properties.js';
import type { NodeConfig, NodeConstructor, Red, RedNode, Status, TlsConfigNode } from './red.js';
import { Badge } from './status-badge.js';

const WORDS = 'meterseal-collector.status';

const FAILED: Status = { fill: 'red', shape: 'ring', text: `${WORDS}.error` };

/** Source: each reading, as soon as it is stored. */
export function collectorNode(red: Red): NodeConstructor {
  return function (this: RedNode, config) {
    red.nodes.createNode(this, config);
    const badge = new Badge(this);
    // Until it listens: what keeps it from that throws on the way.
    badge.show(FAILED);
    setUp(red, this, () => start(red, this, config, badge));
  };
}

function start(red: Red, node: RedNode, config: NodeConfig, badge: Badge): void {
  const quietMs = 1_000 * numberOf(config, 'quietAfter', { standard: 120, least: 0, most: 604_800 });
  const quiet: Status = { fill: 'yellow', shape: 'ring', text: `${WORDS}.quiet` };
  const controller: CollectorController = new CollectorController(serverOf(red, node, config), {
    link: linkOf(red, config),
    clock: systemClock,
    send: callback(node, (message) => {
      node.send(message);
      badge.showFor({ fill: 'green', shape: 'dot', text: `${controller.received}` }, quietMs, quiet);
    }),
    onListening: callback(node, (port) => {
      node.log(`listening on port ${port}`);
      badge.showFor({ fill: 'green', shape: 'ring', text: `${WORDS}.listening` }, quietMs, quiet);
    }),
    onError: (error) => {
      badge.show(FAILED);
      tell(node, error);
    },
  });
  badge.show({ fill: 'grey', shape: 'ring', text: `${WORDS}.starting` });
  controller.start();
  onClose(node, async () => {
    badge.close();
    await controller.close();
  });
}

type Server = ConstructorParameters<typeof CollectorController>[0];

function serverOf(red: Red, node: RedNode, config: NodeConfig): Server {
  const token = node.credentials?.['token'] ?? '';
  return {
    host: textOf(config, 'host', '127.0.0.1'),
    port: portOf(config, 'port', 7421),
    ...(token === '' ? {} : { token }),
    ...tlsOf(red, config),
  };
}

/** Key and certificate come from the core node that keeps them, and so does the authority of client certificates. */
function tlsOf(red: Red, config: NodeConfig): Pick<Server, 'tls'> {
  const id = textOf(config, 'tls');
  const asks = isSet(config, 'clientCertificates');
  if (id === '') {
    if (!asks) return {};
    throw new MetersealError(
      'bad-config',
      "couldn't ask for client certificates: no TLS configuration is chosen",
    );
  }
  const node = red.nodes.getNode(id) as TlsConfigNode | null;
  if (node === null || typeof node.addTLSOptions !== 'function') {
    throw new MetersealError('bad-config', "couldn't use TLS configuration: it is missing or disabled");
  }
  const { key, cert, ca, passphrase } = node.addTLSOptions({});
  if (key === undefined || cert === undefined) {
    throw new MetersealError(
      'bad-config',
      "couldn't use TLS configuration: a server needs certificate and key",
    );
  }
  const material = Object.fromEntries(Object.entries({ key, cert, ca, passphrase }).filter(([, it]) => it));
  return { tls: { ...material, ...(asks ? { requestCert: true, rejectUnauthorized: true } : {}) } };
}
