import type { ChainStatus } from '@meterseal/protocol';
import { isMetersealError } from '@meterseal/protocol';
import type { Command } from 'commander';
import { EXIT } from '../exit-code.js';
import type { FieldStatus } from '../field/status.js';
import type { GateStatus } from '../gate/role.js';
import { HttpClient } from '../host/http-client.js';
import { stateFolder } from '../host/state-folder.js';

/** What each role says of itself; null where it does not run. */
export type BoxStatus = {
  readonly chain: ChainStatus | null;
  readonly field: FieldStatus | null;
  readonly gate: GateStatus | null;
};

export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('Show what the roles of a running box say of themselves. Exit code 1 if none of them runs.')
    .option('--state <folder>', 'state folder', './.meterseal')
    .option('--sockets <folder>', 'where the roles meet; else run/ of the state folder')
    .option('--json', 'print one JSON object')
    .action(async (options: { state: string; sockets?: string; json?: boolean }) => {
      const status = await askStatus(options.state, options.sockets);
      process.stdout.write(options.json ? `${JSON.stringify(status)}\n` : statusText(status));
      process.exitCode = Object.values(status).every((role) => role === null) ? EXIT.no : EXIT.well;
    });
}

export async function askStatus(state: string, socketFolder?: string): Promise<BoxStatus> {
  const { sockets } = stateFolder(state, { sockets: socketFolder });
  const ask = async <T>(socketPath: string, name: string): Promise<T | null> => {
    try {
      return await new HttpClient({ socketPath }, name).json<T>({
        method: 'GET',
        path: '/v1/status',
        timeoutMs: 5_000,
      });
    } catch (error) {
      if (isMetersealError(error, 'unreachable', 'timeout')) return null;
      throw error;
    }
  };
  const [chain, field, gate] = await Promise.all([
    ask<ChainStatus>(sockets.platform, 'the chain'),
    ask<FieldStatus>(sockets.field, 'the field'),
    ask<GateStatus>(sockets.gate, 'the gate'),
  ]);
  return { chain, field, gate };
}

export function statusText({ chain, field, gate }: BoxStatus): string {
  const lines: string[] = [];
  if (chain === null) lines.push('chain      not running');
  else {
    lines.push(`chain      ${chain.origin}`);
    lines.push(
      `           ${chain.size} entries, block ${chain.height}, ${chain.meters} meters, ${chain.sessions} sessions`,
    );
    lines.push(
      `           hashing and signatures by ${chain.engine === 'addon' ? 'the Rust addon' : 'JavaScript'}`,
    );
  }
  if (gate === null) lines.push('switch     gate not running');
  else {
    const assured = gate.state !== 'fault' ? '' : gate.assured ? ', isolated' : ', ISOLATION NOT ASSURED';
    lines.push(
      `switch     ${gate.state}${assured} since ${new Date(gate.since).toISOString()} (${gate.driver}, grade G${gate.grade})`,
    );
  }
  if (field === null) lines.push('field      not running');
  else {
    lines.push(`field      ${field.software}`, '');
    lines.push(row('meter', 'state', 'recorded', 'anchored', 'acknowledged', 'last reading'));
    for (const meter of field.meters) {
      lines.push(
        row(
          meter.id,
          meter.problem ?? meter.failure ?? meter.state,
          String(meter.recordedTo),
          String(meter.anchoredTo),
          meter.acknowledgedTo.length === 0 ? '–' : meter.acknowledgedTo.join(' '),
          meter.last === null ? '–' : `${meter.last.time}  ${meter.last.summary}`,
        ),
      );
    }
  }
  return `${lines.join('\n')}\n`;
}

function row(
  id: string,
  state: string,
  recorded: string,
  anchored: string,
  acked: string,
  last: string,
): string {
  return `${id.padEnd(18)}${state.padEnd(14)}${recorded.padStart(9)}${anchored.padStart(10)}${acked.padStart(14)}  ${last}`;
}
