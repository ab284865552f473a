import type { Command } from 'commander';
import { EXIT } from '../exit-code.js';
import { loadProfile, profileNames } from '../meters/profile-file.js';
import { lintProfile, ourProfileFiles } from './profile/lint.js';
import { listAsTable, summaryOf } from './profile/list.js';
import { descriptionOf, showAsText } from './profile/show.js';

export function registerProfile(program: Command): void {
  const profile = program.command('profile').description('Meter models as data: docs/profiles.md.');
  profile
    .command('list')
    .description('The meter models that come with meterseal, and how sure their registers are.')
    .option('--json', 'print one JSON object')
    .action(list);
  profile
    .command('show')
    .description('What is read from a meter model: each register with its source, and the requests.')
    .argument('<name>', 'meter model, like eastron/sdm630')
    .option('--accept-unproven', 'as it is read with registers on which sources disagree')
    .option('--json', 'print one JSON object')
    .action(show);
  profile
    .command('lint')
    .description(
      'Check profiles, of meters and of relay boards. Exit code 0: all are in order, 1: some are refused.',
    )
    .argument('[files...]', 'files MANUFACTURER/MODEL.json5; without any, all that come with meterseal')
    .option('--json', 'print one JSON object')
    .action((files: string[], options: { json?: true }) => {
      process.exitCode = lint(files, options);
    });
}

function list({ json }: { json?: true }): void {
  const summaries = profileNames().map((name) => summaryOf(loadProfile(name)));
  process.stdout.write(json ? `${JSON.stringify({ profiles: summaries })}\n` : listAsTable(summaries));
}

function show(
  name: string,
  { acceptUnproven = false, json }: { acceptUnproven?: boolean; json?: true },
): void {
  const description = descriptionOf(loadProfile(name), acceptUnproven);
  process.stdout.write(json ? `${JSON.stringify(description)}\n` : showAsText(description));
}

function lint(files: readonly string[], { json }: { json?: true }): number {
  const findings = (files.length > 0 ? files : ourProfileFiles()).map((file) => ({
    file,
    refused: lintProfile(file),
  }));
  const refused = findings.filter((finding) => finding.refused !== undefined);
  process.stdout.write(
    json
      ? `${JSON.stringify({ profiles: findings.length, refused })}\n`
      : [
          ...refused.map(({ file, refused: why }) => `${file}: ${why}`),
          `${findings.length} ${findings.length === 1 ? 'profile' : 'profiles'}, ${refused.length} refused`,
          '',
        ].join('\n'),
  );
  return refused.length > 0 ? EXIT.no : EXIT.well;
}
