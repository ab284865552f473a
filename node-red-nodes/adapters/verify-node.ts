import { systemClock } from '@meterseal/node-red-meterseal/core';
import type { Verdict } from '@meterseal/protocol';
import type { VerifiedMessage } from '../controllers/verify.js';
import { VerifyController } from '../controllers/verify.js';
import { callback, onClose, onInput, setUp, tell } from './guard.js';
import { linkOf } from './link-node.js';
import { numberOf } from './properties.js';
import type { Message, NodeConstructor, Red, RedNode, Status } from './red.js';
import { Badge } from './status-badge.js';

const OUTPUTS: readonly Verdict[] = ['verified', 'tampered', 'unverifiable'];

/** Three outputs: verified, tampered, unverifiable. */
export function verifyNode(red: Red): NodeConstructor {
  return function (this: RedNode, config) {
    red.nodes.createNode(this, config);
    setUp(red, this, () => {
      const badge = new Badge(this);
      const controller: VerifyController = new VerifyController(
        {
          interval: 1_000 * numberOf(config, 'interval', { standard: 60, least: 0, most: 86_400 }),
          batch: numberOf(config, 'batch', { standard: 1_000, least: 1, most: 100_000 }),
          most: numberOf(config, 'most', { standard: 20_000, least: 1, most: 100_000 }),
          patience: 1_000 * numberOf(config, 'patience', { standard: 120, least: 0, most: 86_400 }),
        },
        {
          link: linkOf(red, config),
          clock: systemClock,
          send: callback(this, (verdict: Verdict, message: VerifiedMessage) =>
            this.send(OUTPUTS.map((output) => (output === verdict ? (message as Message) : null))),
          ),
          onChange: callback(this, () => badge.show(statusOf(controller))),
          onError: (error) => tell(this, error),
        },
      );
      badge.show(statusOf(controller));
      onInput(this, (message) => controller.take(message as VerifiedMessage));
      onClose(this, async () => {
        controller.close();
        badge.close();
      });
    });
  };
}

/** Language-neutral: numbers and signs. */
function statusOf({ counts, isComparing, isAlarmed }: VerifyController): Status {
  const { verified, tampered, unverifiable, waiting } = counts;
  const text = `✓${verified} ✗${tampered} ?${unverifiable}${waiting > 0 ? ` …${waiting}` : ''}`;
  if (isAlarmed) return { fill: 'red', shape: 'dot', text };
  if (isComparing) return { fill: 'blue', shape: 'dot', text };
  if (unverifiable > 0) return { fill: 'yellow', shape: 'dot', text };
  return verified > 0 ? { fill: 'green', shape: 'dot', text } : { fill: 'grey', shape: 'ring', text };
}
