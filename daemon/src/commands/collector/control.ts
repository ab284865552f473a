import { join } from 'node:path';
import type { Accused, CollectorStatus, ComparisonResult } from '@meterseal/node-red-meterseal/core';
import { isMetersealError, MetersealError, toHex, verdictOf } from '@meterseal/protocol';
import type { ApiServer } from '../../host/api-server.js';
import { createApiServer, listenOnSocket } from '../../host/api-server.js';
import type { HttpRequest } from '../../host/http-client.js';
import { HttpClient } from '../../host/http-client.js';
import type { Logger } from '../../host/logger.js';

/** One reading that is not verified, as people and programs are told. */
export type ReportedFinding = {
  readonly meter: string;
  readonly seq: number;
  readonly reason: string;
  /** Who has to answer for it; absent for what is only not known yet. */
  readonly accused?: Accused;
};

/** A comparison as `collector compare` prints it. */
export type ComparisonReport = {
  /** `judged`, or why nothing was. */
  readonly outcome: string;
  readonly why?: string;
  readonly readings: number;
  readonly verified: number;
  /** Verified readings whose seals are still to be checked: so far their hashes agree. */
  readonly sealsPending: number;
  readonly tampered: readonly ReportedFinding[];
  readonly unverifiable: readonly ReportedFinding[];
  readonly counts: { readonly tampered: number; readonly unverifiable: number };
  readonly chain: { readonly origin: string; readonly size: number; readonly root: string } | null;
  /** How long the switch was connected, milliseconds. */
  readonly windowMs: number;
};

/** A comparison may wait for the chain, mirror it and judge everything that is held. */
const COMPARE_TIMEOUT_MS = 600_000;
const MAX_REPORT_BYTES = 16 * 1024 * 1024;

function controlSocket(dir: string): string {
  return join(dir, 'control.sock');
}

/** Serves the collector's operator on a Unix socket of this user: status, and a comparison on request. */
export async function serveControl(
  dir: string,
  collector: { readonly status: () => CollectorStatus; readonly compare: () => Promise<ComparisonReport> },
  log: Logger,
): Promise<ApiServer> {
  const api = createApiServer({ bodyLimit: 1_024, log });
  api.get('/v1/status', () => Promise.resolve(collector.status()));
  api.post('/v1/comparisons', () => collector.compare());
  await listenOnSocket(api, controlSocket(dir));
  return api;
}

/** @throws MetersealError `unreachable` where no collector runs in this folder; what it refuses */
export function askComparison(dir: string): Promise<ComparisonReport> {
  const limits = { timeoutMs: COMPARE_TIMEOUT_MS, maxBytes: MAX_REPORT_BYTES };
  return ask(dir, { method: 'POST', path: '/v1/comparisons', ...limits });
}

/** @throws MetersealError `unreachable` where no collector runs in this folder */
export function askCollectorStatus(dir: string): Promise<CollectorStatus> {
  return ask(dir, { method: 'GET', path: '/v1/status', timeoutMs: 5_000 });
}

async function ask<T>(dir: string, request: HttpRequest): Promise<T> {
  const socketPath = controlSocket(dir);
  try {
    return await new HttpClient({ socketPath }, 'the collector').json<T>(request);
  } catch (cause) {
    if (!isMetersealError(cause, 'unreachable')) throw cause;
    throw new MetersealError('unreachable', cause.message, {
      hint: `No collector runs in ${dir}: start it with meterseal collector --dir, or name its folder.`,
      cause,
    });
  }
}

export function reportOf(result: ComparisonResult): ComparisonReport {
  const { outcome, why, readings, counts, seals, findings, chain, windowMs } = result;
  const named = (verdict: 'tampered' | 'unverifiable'): ReportedFinding[] =>
    findings
      .filter(({ reason }) => verdictOf(reason) === verdict)
      .map(({ meter, subject, seq, reason, accused }) => ({
        ...{ meter: meter ?? `subject ${subject}`, seq, reason },
        ...(accused === undefined ? {} : { accused }),
      }));
  return {
    outcome,
    ...(why === undefined ? {} : { why }),
    readings,
    verified: counts.verified,
    sealsPending: seals.pending,
    tampered: named('tampered'),
    unverifiable: named('unverifiable'),
    counts: { tampered: counts.tampered, unverifiable: counts.unverifiable },
    chain: chain === null ? null : { ...chain, root: toHex(chain.root) },
    windowMs: Math.round(windowMs),
  };
}
