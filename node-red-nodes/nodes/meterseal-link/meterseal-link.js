const { linkNode } = require('../../dist/bundle/meterseal.js');

module.exports = (RED) => {
  RED.nodes.registerType('meterseal-link', linkNode(RED));
};
