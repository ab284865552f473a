/**
 * A gate in a process of its own, for tests that kill it: `node gate-process.js FOLDER [RELAY]`, the relay's options as
 * JSON. It says its control port and then runs until it is killed; told to `hang`, it does nothing else any more.
 */
import type { RelayOptions } from 'meterseal/internal/gate/drivers/open-driver';
import { startGate } from 'meterseal/internal/gate/role';
import { systemClock } from 'meterseal/internal/host/clock';
import { gateOptions } from './gate-box.js';

const [, , folder, relay] = process.argv;
const gate = await startGate({
  ...gateOptions(folder!),
  ...(relay === undefined ? {} : { relay: JSON.parse(relay) as RelayOptions }),
  clock: systemClock,
});
process.on('message', (message) => {
  if (message === 'hang') for (;;);
});
process.send?.(gate.status().controlPort);
