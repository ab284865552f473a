const { collectorNode } = require('../../dist/bundle/meterseal.js');

module.exports = (RED) => {
  RED.nodes.registerType('meterseal-collector', collectorNode(RED), {
    credentials: { token: { type: 'password' } },
  });
};
