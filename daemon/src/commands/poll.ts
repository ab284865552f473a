import type { RecordValue } from '@meterseal/protocol';
import { MetersealError } from '@meterseal/protocol';
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.js';
import { EXIT } from '../exit-code.js';
import { systemClock } from '../host/clock.js';
import { planReads } from '../meters/plan.js';
import type { Sample } from '../meters/poll.js';
import { pollMeter } from '../meters/poll.js';
import type { Profile } from '../meters/profile.js';
import { loadProfile } from '../meters/profile-file.js';
import { checkBusOf, unitRange } from '../meters/unit.js';
import type { BusAddress } from '../modbus/address.js';
import { parseAddress } from '../modbus/address.js';
import { Bus } from '../modbus/bus.js';

type PollOptions = { unit?: string; profile?: string; timeout: string; acceptUnproven?: true; json?: true };

export function registerPoll(program: Command): void {
  program
    .command('poll')
    .description('Read one meter once: no enrolment, no state. Exit code 0: read, 1: it answered nothing.')
    .argument('<address>', 'tcp://HOST:PORT or rtu:///dev/ttyX?baud=9600&parity=none&stop=1')
    .option('--unit <number>', "the meter's number on its bus")
    .option('--profile <name>', 'meter model, like eastron/sdm630')
    .option('--timeout <duration>', 'how long the meter may take to answer one request', '1s')
    .option('--accept-unproven', 'read registers on which sources disagree too')
    .option('--json', 'print one JSON object')
    .action(async (address: string, options: PollOptions) => {
      process.exitCode = await poll(address, options);
    });
}

async function poll(addressText: string, options: PollOptions): Promise<number> {
  const profile = loadProfile(required(options.profile, '--profile', 'a meter model, like eastron/sdm630'));
  const address = parseAddress(addressText, profile.line);
  const unit = parseUnit(required(options.unit, '--unit', "the meter's number on its bus"), profile, address);
  const responseMs = parseDuration(options.timeout);
  const bus = new Bus({ address, clock: systemClock, responseMs, openMs: Math.max(responseMs, 1_000) });
  let sample: Sample;
  try {
    sample = await readOnce(bus, unit, profile, responseMs, options.acceptUnproven ?? false);
  } finally {
    await bus.close();
  }
  if (!sample.answered) {
    const why = sample.failure?.message ?? `couldn't read unit ${unit} on ${bus.address}: no answer`;
    const hint = sample.failure?.hint ?? 'check power, wiring and unit number';
    process.stderr.write(`meterseal: ${why.replace(/\p{Cc}+/gu, ' ')}\n  hint: ${hint}\n`);
    return EXIT.no;
  }
  const { values, raw } = sample;
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ profile: profile.id, unit, values, raw })}\n`
      : asTable(profile, unit, bus.address, values),
  );
  return EXIT.well;
}

function readOnce(
  bus: Bus,
  unit: number,
  profile: Profile,
  responseMs: number,
  acceptUnproven: boolean,
): Promise<Sample> {
  const plan = planReads(profile, acceptUnproven);
  // A bound for the whole: no meter that answers in time comes near it.
  const deadline = systemClock.monotonic() + (plan.length + 1) * 2 * (responseMs + 2_500);
  return pollMeter(bus, unit, profile, plan, systemClock, deadline, { acceptUnproven });
}

function required(value: string | undefined, option: string, what: string): string {
  if (value !== undefined) return value;
  throw new MetersealError('misuse', `couldn't poll: ${option} is missing`, { hint: `name ${what}` });
}

function parseUnit(text: string, profile: Profile, address: BusAddress): number {
  checkBusOf(profile, address);
  const [least, most] = unitRange(profile, address.kind);
  const unit = /^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (unit >= least && unit <= most) return unit;
  throw new MetersealError('misuse', `couldn't poll: unit ${JSON.stringify(text.slice(0, 40))}`, {
    hint: `a unit is a number from ${least} to ${most} here`,
  });
}

function asTable(profile: Profile, unit: number, address: string, values: readonly RecordValue[]): string {
  const digits = Math.max(...values.map(({ value }) => value?.length ?? 0));
  const lines = values.map(({ obis, value, unit: of, quality }) =>
    `  ${obis.padEnd(14)}${(value ?? '–').padStart(digits)} ${quality === undefined ? of : `(${quality})`}`.trimEnd(),
  );
  return [`${profile.title} (${profile.id}), unit ${unit} on ${address}`, ...lines, ''].join('\n');
}
