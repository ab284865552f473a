import { systemClock } from '@meterseal/node-red-meterseal/core';
import { MetersealError } from '@meterseal/protocol';
import { replay, replayQuery } from '../controllers/replay.js';
import { onClose, onInput, setUp } from './guard.js';
import { linkOf } from './link-node.js';
import { numberOf, textOf } from './properties.js';
import type { NodeConstructor, Red, RedNode } from './red.js';
import { Badge } from './status-badge.js';

/** Messages sent before others get their turn. */
const PER_TURN = 50;

/** Stored readings, by meter and time. */
export function replayNode(red: Red): NodeConstructor {
  return function (this: RedNode, config) {
    red.nodes.createNode(this, config);
    setUp(red, this, () => {
      const link = linkOf(red, config);
      const badge = new Badge(this);
      const meter = textOf(config, 'meter');
      const standard = {
        meter: meter === '' ? undefined : meter,
        last: 1_000 * numberOf(config, 'last', { standard: 0, least: 0, most: 31_622_400 }),
        most: numberOf(config, 'most', { standard: 10_000, least: 1, most: 10_000_000 }),
      };
      let isClosed = false;
      onInput(this, async (message, send) => {
        const query = replayQuery(message['replay'], standard, systemClock.now());
        const { held } = await link.collector();
        let count = 0;
        for await (const reading of replay(held, query)) {
          if (isClosed)
            throw new MetersealError('stopped', "couldn't replay to the end: the node was closed");
          // Each is a message of its own with all that the asking one carried, so that its way through the flow is known.
          send({ ...message, ...reading });
          count++;
          if (count % PER_TURN !== 0) continue;
          badge.show({ fill: 'blue', shape: 'dot', text: `${count}` });
          await systemClock.sleep(0);
        }
        badge.show({ fill: 'grey', shape: 'ring', text: `${count}` });
      });
      onClose(this, async () => {
        isClosed = true;
        badge.close();
      });
    });
  };
}
