import { MetersealError } from '@meterseal/protocol';
import { CommanderError } from 'commander';
import { createProgram } from './cli.js';
import { EXIT, exitCodeOf } from './exit-code.js';

/**
 * Runs one command line. Every foreseen failure is one clear line with a hint and its documented exit code, never a
 * stack trace.
 */
export async function main(argv: readonly string[]): Promise<void> {
  process.umask(0o077);
  try {
    const program = await createProgram(argv[2]);
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  // Commander has said what was wrong; help and version end this way too, with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.well : EXIT.misuse;
  if (error instanceof MetersealError) {
    const hint = error.hint ?? `docs/operate.md says what to do for exit code ${exitCodeOf(error)}.`;
    process.stderr.write(`meterseal: ${oneLine(error.message)} [${error.code}]\n  hint: ${oneLine(hint)}\n`);
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`meterseal: something happened that nobody foresaw\n${text}\n`);
  }
  return exitCodeOf(error);
}

/** What a meter or a peer said may stand in a message; it must not break out of its line. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
