export { collectorNode } from './collector-node.js';
export { linkNode } from './link-node.js';
export { platformNode } from './platform-node.js';
export { replayNode } from './replay-node.js';
export { switchNode } from './switch-node.js';
export { verifyNode } from './verify-node.js';
