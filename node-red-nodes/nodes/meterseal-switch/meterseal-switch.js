const { switchNode } = require('../../dist/bundle/meterseal.js');

module.exports = (RED) => {
  RED.nodes.registerType('meterseal-switch', switchNode(RED));
};
