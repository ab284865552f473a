/**
 * A gate in a process of its own, for tests that kill it: `node gate-process.js FOLDER`. It says its control port and
 * then runs until it is killed.
 */
import { startGate } from 'meterseal/internal/gate/role';
import { systemClock } from 'meterseal/internal/host/clock';
import { gateOptions } from './gate-box.js';

const gate = await startGate({ ...gateOptions(process.argv[2]!), clock: systemClock });
process.send?.(gate.status().controlPort);
