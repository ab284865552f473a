import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { loadEngine } from '@meterseal/native';
import { MetersealError } from '@meterseal/protocol';
import type { Command } from 'commander';
import { Argument } from 'commander';
import { startChain } from '../chain/role.js';
import type { Config } from '../config/config.js';
import { readConfig } from '../config/config.js';
import { readSecretLine } from '../config/secret-line.js';
import { exitCodeOf } from '../exit-code.js';
import { checkBuses } from '../field/check-buses.js';
import { startField } from '../field/role.js';
import { boardOf } from '../gate/drivers/open-driver.js';
import { startGate } from '../gate/role.js';
import { createBox } from '../host/box.js';
import { systemClock } from '../host/clock.js';
import { isTimesyncSynchronised } from '../host/clock-state.js';
import { HttpClient } from '../host/http-client.js';
import { createLogger } from '../host/logger.js';
import { softwareId } from '../host/software-id.js';
import type { RoleName } from '../host/state-folder.js';
import { prepareStateFolder, ROLES, stateFolder } from '../host/state-folder.js';
import { lockState } from '../host/state-lock.js';
import { VERSION } from '../version.js';

type RunOptions = { state: string; config?: string; sockets?: string; readings?: string };

export function registerRun(program: Command): void {
  program
    .command('run')
    .description('Run the box, or one of its roles, until SIGTERM or SIGINT.')
    .addArgument(
      new Argument('[role]', 'this one alone; all of them in one process if not given').choices(ROLES),
    )
    .option('--state <folder>', 'state folder', './.meterseal')
    .option('--sockets <folder>', 'where the roles meet; else run/ of the state folder')
    .option('--config <file>', 'configuration; else meterseal.yaml of the state folder')
    .option('--readings <n>', 'record so many readings per meter, then rest')
    .action(async (role: RoleName | undefined, options: RunOptions) => {
      process.exitCode = await run(role === undefined ? ROLES : [role], options);
    });
}

type Role = { stop(): Promise<void>; readonly failed: Promise<MetersealError> };

async function run(roles: readonly RoleName[], options: RunOptions): Promise<number> {
  const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
  const clock = systemClock;
  const state = stateFolder(options.state, { sockets: options.sockets });
  const config = readConfig(resolve(options.config ?? state.config));
  const mostReadings =
    options.readings === undefined ? undefined : positiveInteger(options.readings, '--readings');
  checkNamedFiles(config, roles);
  // From here on: who is asked to stop while it starts, starts, and stops in order.
  const asked = stopSignal();
  prepareStateFolder(state, roles);
  const unlock = await lockState(state.lock);

  const log = createLogger(config.log);
  const { engine, why } = loadEngine();
  log.info({ version: VERSION, roles, engine: engine.name, why, state: state.root }, 'starting');
  const common = { clock, random, log, platformId: config.platformId };
  const collectorKeys = config.collectors.map(({ key }) => key);
  // In this order: whoever comes later talks to those before.
  const start: Record<RoleName, () => Promise<Role>> = {
    chain: () =>
      startChain({
        ...common,
        stateDir: state.root,
        engine,
        collectorKeys,
        clockState: () => (isTimesyncSynchronised() ? 'synchronised' : 'unsynchronised'),
        session: { lifeMs: config.chain.sessionLifeMs, readings: config.chain.sessionReadings },
        sockets: state.sockets,
      }),
    field: () =>
      startField({
        ...common,
        config,
        state,
        engine,
        box: createBox(random),
        software: softwareId(VERSION),
        synchronised: isTimesyncSynchronised,
        ...(mostReadings === undefined ? {} : { mostReadings }),
      }),
    gate: () =>
      startGate({
        ...common,
        stateDir: state.gate,
        control: config.gate.control,
        comparison: config.gate.comparison,
        ...(config.gate.relay === undefined ? {} : { relay: config.gate.relay }),
        maxLeaseMs: config.gate.maxLeaseMs,
        collectorKeys,
        crypto: engine,
        sockets: state.sockets,
      }),
  };
  const started: Role[] = [];
  const stopAll = async (): Promise<void> => {
    // In the order that keeps the promises: isolated first, then no new readings, then the last commit.
    for (const role of started.reverse()) await role.stop();
    await unlock();
  };
  try {
    for (const role of roles) started.push(await start[role]());
    log.info('running');
    const end = await Promise.race([asked, ...started.map((role) => role.failed)]);
    if (typeof end === 'string') {
      log.info({ signal: end }, 'stopping');
      await stopAll();
      log.info('stopped');
      return 0;
    }
    log.fatal({ err: end }, 'a role failed');
    await stopAll();
    return exitCodeOf(end);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

/**
 * Reads what the configuration names, before anything is made: a file that is missing would otherwise be found out with the
 * chain running already. A meter's code is its own affair: without it the others run.
 *
 * @throws MetersealError `unknown-profile`, `bad-profile`, `bad-config`, `file-missing`, `file-unusable`
 */
function checkNamedFiles({ field, gate, collectors }: Config, roles: readonly RoleName[]): void {
  if (roles.includes('gate') && gate.relay !== undefined) boardOf(gate.relay, systemClock);
  // The secrets of the field are closed to the others.
  if (!roles.includes('field')) return;
  checkBuses(field.buses);
  for (const { url, tokenFile, caFile } of collectors) {
    if (tokenFile !== undefined) readSecretLine(tokenFile, 'collector token');
    new HttpClient(caFile === undefined ? { url } : { url, caFile }, 'the collector').close();
  }
}

/** Resolves with the name of the signal that asks this process to end. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}

function positiveInteger(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) {
    throw new MetersealError(
      'misuse',
      `couldn't read ${option}: ${JSON.stringify(text)} is not a positive integer`,
      { hint: `For example ${option} 24.` },
    );
  }
  return value;
}
