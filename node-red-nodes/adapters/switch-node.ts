import { carryOut, switchCommand, switchMessage } from '../controllers/switch.js';
import type { SwitchView } from '../controllers/switch-watch.js';
import { callback, onClose, onInput, setUp } from './guard.js';
import { linkOf } from './link-node.js';
import type { NodeConstructor, Red, RedNode, Status } from './red.js';
import { Badge } from './status-badge.js';

const LOOKS: Record<SwitchView['state'], Pick<Status, 'fill' | 'shape'>> = {
  isolated: { fill: 'grey', shape: 'ring' },
  connecting: { fill: 'yellow', shape: 'ring' },
  connected: { fill: 'yellow', shape: 'dot' },
  isolating: { fill: 'yellow', shape: 'ring' },
  fault: { fill: 'red', shape: 'dot' },
};

/** The isolation switch: connects and isolates on request, and tells how it stands. */
export function switchNode(red: Red): NodeConstructor {
  return function (this: RedNode, config) {
    red.nodes.createNode(this, config);
    setUp(red, this, () => {
      const link = linkOf(red, config);
      const badge = new Badge(this);
      const show = ({ state }: SwitchView): void =>
        badge.show({ ...LOOKS[state], text: `meterseal-switch.state.${state}` });
      show(link.switch);
      const leave = link.switched.join(
        callback(this, (view) => {
          show(view);
          this.send([{ topic: 'switch', payload: view.state, switch: switchMessage(view) }, null]);
        }),
      );
      onInput(this, async (message, send) => {
        await carryOut(link, switchCommand(message));
        message['switch'] = switchMessage(link.switch);
        send([null, message]);
      });
      onClose(this, async () => {
        leave();
        badge.close();
      });
    });
  };
}
