const { replayNode } = require('../../dist/bundle/meterseal.js');

module.exports = (RED) => {
  RED.nodes.registerType('meterseal-replay', replayNode(RED));
};
