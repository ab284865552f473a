import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';

export type { Logger } from 'pino';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * JSON lines on stderr. What a meter or a peer says goes into fields of its own, never into the message, and whatever it
 * is, one call makes one line: characters that some viewer would break a line at are written as escapes.
 *
 * @param destination where the lines go instead, for tests
 */
export function createLogger(
  level: LogLevel = 'info',
  destination: DestinationStream = standardError(),
): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: errorFields },
    },
    { write: (line) => destination.write(escapeControls(line)) },
  );
}

/** Written at once: the last lines before a fatal exit are the ones that matter. */
function standardError(): DestinationStream {
  return pino.destination({ fd: 2, sync: true });
}

/** JSON escapes what lies below U+0020; DEL, the C1 controls and Unicode's own line ends it leaves as they are. */
function escapeControls(line: string): string {
  return line.replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
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
