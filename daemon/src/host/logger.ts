import type { Logger } from 'pino';
import { pino } from 'pino';

export type { Logger } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * JSON lines on stderr. What a meter or a peer says goes into fields of its own, where pino escapes control
 * characters, never into the message.
 */
export function createLogger(level: LogLevel = 'info'): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
    },
    // Written at once: the last lines before a fatal exit are the ones that matter.
    pino.destination({ fd: 2, sync: true }),
  );
}

/** An error in the log: code and message for ours, the stack only for what nobody foresaw. */
function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, hint } = error as { code?: unknown; hint?: unknown };
  const fields: Record<string, unknown> = { code, message: error.message };
  if (typeof hint === 'string') fields['hint'] = hint;
  if (error.name !== 'MetersealError') fields['stack'] = error.stack;
  else if (error.cause instanceof Error) fields['cause'] = error.cause.message;
  return fields;
}
