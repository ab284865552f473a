import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { javascriptEngine, loadEngine } from '@meterseal/native';
import {
  openCollector,
  openCollectorKey,
  PUBLIC_KEY_FILE,
  serveReceiver,
} from '@meterseal/node-red-meterseal/core';
import type { Policy } from '@meterseal/protocol';
import { isMetersealError, MetersealError, parsePolicy, platformIdOf, toBase64 } from '@meterseal/protocol';
import type { Command } from 'commander';
import { parseDuration } from '../config/duration.js';
import { parseHostPort } from '../config/host-port.js';
import { readSecretLine } from '../config/secret-line.js';
import { EXIT } from '../exit-code.js';
import { systemClock } from '../host/clock.js';
import type { Logger } from '../host/logger.js';
import { createLogger } from '../host/logger.js';
import { readPrivateFile } from '../host/private-file.js';
import type { ComparisonReport } from './collector/control.js';
import { askCollectorStatus, askComparison, reportOf, serveControl } from './collector/control.js';

type RunOptions = {
  dir: string;
  platformId: string;
  policy: string;
  control: string;
  comparisonHost?: string;
  listen: string;
  tokenFile: string;
  tlsCert?: string;
  tlsKey?: string;
  every?: string;
  anchoringDelay: string;
};

export function registerCollector(program: Command): void {
  const collector = program
    .command('collector')
    .description('Run a collector: receive readings, keep them, compare them with the chain.');
  collector
    .command('run', { isDefault: true })
    .description('Run it until SIGTERM or SIGINT; prints {"port":N} when it listens.')
    .requiredOption('--dir <folder>', "the collector's own folder")
    .requiredOption('--platform-id <id>', 'whose readings: <operator>/meterseal/<box>')
    .requiredOption('--policy <file>', 'trust policy: whose checkpoints are believed')
    .requiredOption('--control <host:port>', "the gate's control port")
    .option('--comparison-host <host>', "where the comparison is served, if not at the control port's host")
    .requiredOption('--token-file <file>', 'what the field must send as bearer token (0600)')
    .option('--listen <host:port>', 'where readings come in; beyond loopback only with TLS', '127.0.0.1:7412')
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'its key, PEM (0600)')
    .option('--every <duration>', 'compare so often, for example 1h')
    .option(
      '--anchoring-delay <duration>',
      'a delivered reading that is not on the chain by then is overdue',
      '1h',
    )
    .action((options: RunOptions) => run(options));
  collector
    .command('init')
    .description("Make the collector's key, and print the public one, which the box's configuration names.")
    .requiredOption('--dir <folder>', "the collector's own folder")
    .action((options: { dir: string }) => init(options.dir));
  collector
    .command('compare')
    .description('Have a running collector compare now. Exit code 1 if anything is not verified.')
    .requiredOption('--dir <folder>', "the collector's own folder")
    .option('--json', 'print one JSON object')
    .action(async (options: { dir: string; json?: boolean }) => {
      const report = await askComparison(resolve(options.dir));
      process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : reportText(report));
      process.exitCode =
        report.outcome === 'judged' && report.verified === report.readings ? EXIT.well : EXIT.no;
    });
  collector
    .command('status')
    .description('Show what a running collector holds.')
    .requiredOption('--dir <folder>', "the collector's own folder")
    .action(async (options: { dir: string }) => {
      process.stdout.write(`${JSON.stringify(await askCollectorStatus(resolve(options.dir)), null, 2)}\n`);
    });
}

async function init(dir: string): Promise<void> {
  const key = await openCollectorKey(resolve(dir));
  process.stdout.write(
    `${JSON.stringify({ key: toBase64(key.publicKey), keyFile: resolve(dir, PUBLIC_KEY_FILE) })}\n`,
  );
}

async function run(options: RunOptions): Promise<void> {
  const dir = resolve(options.dir);
  const log = createLogger('info');
  const { engine, why } = loadEngine();
  log.info({ engine: engine.name, why }, 'starting');
  const collector = await openCollector({
    dir,
    crypto: engine,
    signer: await openCollectorKey(dir),
    clock: systemClock,
    random: (length) => new Uint8Array(randomBytes(length)),
    platformId: options.platformId,
    policy: readPolicy(options),
    control: {
      ...parseHostPort(options.control, '--control'),
      ...(options.comparisonHost === undefined ? {} : { comparisonHost: options.comparisonHost }),
    },
    limits: { anchoringDelay: parseDuration(options.anchoringDelay) },
  });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  let failure: MetersealError | undefined;
  // What a write that failed has done is known only after opening again, so it ends the process.
  const told = (error: unknown): void => {
    if (!isMetersealError(error, 'commit-failed', 'disk-full')) return;
    failure ??= error;
    stop.abort();
  };
  const compare = async (): Promise<ComparisonReport> => {
    try {
      return reportOf(await collector.compare());
    } catch (error) {
      told(error);
      throw error;
    }
  };
  const servers: { close(): Promise<unknown> }[] = [];
  try {
    const server = await serveReceiver(collector.receiver, {
      ...parseHostPort(options.listen, '--listen'),
      token: readSecretLine(options.tokenFile, 'token'),
      ...tlsOf(options),
      onError: (error) => {
        log.error({ err: error }, 'request failed');
        told(error);
      },
    });
    servers.push(server);
    servers.push(await serveControl(dir, { compare, status: () => collector.status() }, log));
    process.stdout.write(`${JSON.stringify({ port: server.address.port })}\n`);
    log.info({ port: server.address.port }, 'receiving');
    const comparing =
      options.every === undefined
        ? undefined
        : compareEvery(compare, parseDuration(options.every), log, stop.signal);
    // Whoever asked it to stop while it started is not asked to ask again.
    if (!stop.signal.aborted) await once(stop.signal, 'abort');
    await comparing;
  } finally {
    for (const server of servers) await server.close();
    await collector.close();
  }
  if (failure !== undefined) throw failure;
}

/** One comparison after the other, each as long after the one before; a failure is logged and the next one tried. */
async function compareEvery(
  compare: () => Promise<ComparisonReport>,
  everyMs: number,
  log: Logger,
  stop: AbortSignal,
): Promise<void> {
  for (;;) {
    await systemClock.sleep(everyMs, stop);
    if (stop.aborted) return;
    try {
      const { tampered, unverifiable, ...report } = await compare();
      log[tampered.length > 0 ? 'error' : 'info']({ ...report, tampered: tampered.slice(0, 20) }, 'compared');
    } catch (error) {
      log.error({ err: error }, 'comparison failed');
    }
  }
}

function tlsOf({ tlsCert, tlsKey }: RunOptions): { tls?: { cert: string; key: string } } {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new MetersealError('misuse', "couldn't start collector: TLS needs both --tls-cert and --tls-key");
  }
  return { tls: { cert: readText(tlsCert, 'certificate'), key: readPrivateFile(tlsKey, 'TLS key') } };
}

/** A policy that names no log of the platform would make every comparison fail, and say nothing of the reason. */
function readPolicy({ policy: path, platformId }: RunOptions): Policy {
  const policy = parsePolicy(javascriptEngine, readText(path, 'policy'));
  if (policy.logs.some(({ key }) => isOfPlatform(key.name, platformId))) return policy;
  throw new MetersealError(
    'bad-policy',
    `couldn't start collector: the policy ${path} names no log of ${JSON.stringify(platformId)}`,
    {
      hint: "Take the policy from the box's state folder, and --platform-id from its log line without the epoch.",
    },
  );
}

function isOfPlatform(origin: string, platformId: string): boolean {
  try {
    return platformIdOf(origin) === platformId;
  } catch {
    // Whatever else the policy names is no log of ours.
    return false;
  }
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MetersealError('file-missing', `couldn't read ${what}: ${path} cannot be opened`, {
      hint: 'Check the path, and that this user may read the file.',
      cause,
    });
  }
}

function reportText(report: ComparisonReport): string {
  if (report.outcome !== 'judged')
    return `not compared: ${report.outcome}${report.why === undefined ? '' : ` (${report.why})`}\n`;
  const { readings, verified, sealsPending, counts, chain, windowMs } = report;
  const lines = [
    `${verified} of ${readings} verified, ${counts.tampered} tampered, ${counts.unverifiable} unverifiable`,
    ...(sealsPending === 0 ? [] : [`seals of ${sealsPending} of the verified are still to be checked`]),
    `chain ${chain!.origin}, ${chain!.size} entries; connected for ${windowMs.toFixed(0)} ms`,
    ...[...report.tampered, ...report.unverifiable].map(
      ({ meter, seq, reason, accused }) =>
        `  ${meter} ${seq}: ${reason}${accused === undefined ? '' : ` (accused: the ${accused})`}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
