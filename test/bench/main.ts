/*
 * npm run bench [-- --only NAME] [-- --json FILE] [-- --docs] [-- --site FOLDER]
 *
 * Ours and peers in turn in one run, several rounds, medians and ratios. --docs writes docs/benchmarks.md from what was
 * measured. --site keeps the million readings of `compare` in a folder, where the next run finds them. Nothing here is asserted: a figure depends on the machine, and the machine stands beside it.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { appendBenchmark } from './append.js';
import { compareBenchmark } from './compare.js';
import { hashBenchmark, sealBenchmark } from './crypto.js';
import { ingestBenchmark } from './ingest.js';
import { lineBenchmark } from './line.js';
import type { Machine } from './machine.js';
import { describeMachine } from './machine.js';
import type { Benchmark, Row } from './row.js';
import { hold } from './row.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    json: { type: 'string' },
    docs: { type: 'boolean', default: false },
    site: { type: 'string' },
  },
});

/** Where the part of the page begins that is not measured. */
const WRITTEN_BY_HAND = '## What is left';

const BENCHMARKS: readonly Benchmark[] = [
  hashBenchmark,
  sealBenchmark,
  appendBenchmark,
  ingestBenchmark,
  lineBenchmark,
  compareBenchmark(values.site),
];

const chosen = BENCHMARKS.filter(({ name }) => values.only === undefined || name === values.only);
if (chosen.length === 0) {
  process.stderr.write(
    `no benchmark ${values.only}; there are: ${BENCHMARKS.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}
const machine = describeMachine();
const rows: Row[] = [];
for (const benchmark of chosen) {
  process.stderr.write(`${benchmark.name} …\n`);
  rows.push(...(await hold(benchmark)));
}
process.stdout.write(`${table(rows)}\n\n${machineText(machine)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ rows, machine }, null, 2)}\n`);
if (values.docs) writeDocs(rows, machine);

function table(list: readonly Row[]): string {
  const cells = list.map(({ name, ours, peer, peerName, ratio, unit }) => [
    name,
    `${figure(ours)} ${unit}`,
    `${figure(peer)} ${unit}`,
    `${ratio.toFixed(2)} ×`,
    peerName,
  ]);
  const head = ['row', 'ours', 'peer', 'ratio', 'who the peer is'];
  const widths = head.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(head), rule, ...cells.map(line)].join('\n');
}

function figure(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString('en-US');
  return value.toPrecision(3);
}

function machineText({ processor, cores, memoryGiB, system, node, engine, fdatasyncMs }: Machine): string {
  return `${processor}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, engine: ${engine}, fdatasync ${fdatasyncMs} ms`;
}

/** Writes the measured part of the page; what people have written below it stays. */
function writeDocs(list: readonly Row[], on: Machine): void {
  const path = fileURLToPath(new URL('../../../docs/benchmarks.md', import.meta.url));
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const written = before.includes(WRITTEN_BY_HAND) ? before.slice(before.indexOf(WRITTEN_BY_HAND)) : '';
  const notes = list.filter(({ note }, i) => note !== undefined && list[i - 1]?.note !== note);
  const text = [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --docs`: ours and peers in turn in one run, medians. Ratios travel from machine to machine, absolute',
    'figures do not.',
    '',
    table(list),
    '',
    `Machine: ${machineText(on)}.`,
    '',
    ...notes.map(({ name, note }) => `- \`${name}\`: ${note}`),
    '',
    written,
  ];
  writeFileSync(path, `${text.join('\n').trimEnd()}\n`);
}
