import { Command } from 'commander';
import { registerCollector } from './commands/collector.js';
import { registerDemo } from './commands/demo.js';
import { registerFsck } from './commands/fsck.js';
import { registerPoll } from './commands/poll.js';
import { registerProve } from './commands/prove.js';
import { registerRoster } from './commands/roster.js';
import { registerRun } from './commands/run.js';
import { registerStatus } from './commands/status.js';
import { registerVerify } from './commands/verify.js';
import { VERSION } from './version.js';

export function createProgram(): Command {
  const program = new Command('meterseal')
    .description(
      'Proves whether an electricity reading held by a collection system is the one that the meter gave.',
    )
    .version(VERSION)
    .exitOverride();
  for (const register of [
    registerRun,
    registerPoll,
    registerStatus,
    registerProve,
    registerVerify,
    registerFsck,
    registerRoster,
    registerCollector,
    registerDemo,
  ]) {
    register(program);
  }
  for (const command of allCommands(program)) command.exitOverride();
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
