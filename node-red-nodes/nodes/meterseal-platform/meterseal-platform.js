const { platformNode } = require('../../dist/bundle/meterseal.js');

module.exports = (RED) => {
  RED.nodes.registerType('meterseal-platform', platformNode(RED));
};
