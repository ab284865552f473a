import { Command } from 'commander';
import { VERSION } from './version.js';

type Register = (program: Command) => void;

/** Each loads what it needs when it is asked for: nobody waits for a chain to be told the version. */
const COMMANDS: Readonly<Record<string, () => Promise<Register>>> = {
  run: async () => (await import('./commands/run.js')).registerRun,
  poll: async () => (await import('./commands/poll.js')).registerPoll,
  status: async () => (await import('./commands/status.js')).registerStatus,
  prove: async () => (await import('./commands/prove.js')).registerProve,
  verify: async () => (await import('./commands/verify.js')).registerVerify,
  fsck: async () => (await import('./commands/fsck.js')).registerFsck,
  roster: async () => (await import('./commands/roster.js')).registerRoster,
  profile: async () => (await import('./commands/profile.js')).registerProfile,
  collector: async () => (await import('./commands/collector.js')).registerCollector,
  demo: async () => (await import('./commands/demo.js')).registerDemo,
};

/** @param wanted the first word of the command line: if it names a command, the others are not loaded */
export async function createProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command('meterseal')
    .description(
      'Proves whether an electricity reading held by a collection system is the one that the meter gave.',
    )
    .version(VERSION)
    .exitOverride();
  if (wanted !== '--version') {
    const named = Object.entries(COMMANDS).filter(([name]) => name === wanted);
    for (const [, load] of named.length > 0 ? named : Object.entries(COMMANDS)) (await load())(program);
  }
  for (const command of allCommands(program)) command.exitOverride();
  return program;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}
