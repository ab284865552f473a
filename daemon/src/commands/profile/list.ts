import type { Profile } from '../../meters/profile.js';
import type { Confidence } from '../../meters/register.js';
import { CONFIDENCES } from '../../meters/register.js';
import { asColumns } from './columns.js';

export type ProfileSummary = {
  readonly name: string;
  readonly id: string;
  readonly title: string;
  readonly phases: number;
  /** How many registers are how sure. */
  readonly registers: Readonly<Record<Confidence, number>>;
};

export function summaryOf({ name, id, title, phases, registers }: Profile): ProfileSummary {
  const count = (confidence: Confidence): number =>
    registers.filter((register) => register.confidence === confidence).length;
  return {
    name,
    id,
    title,
    phases,
    registers: {
      proven: count('proven'),
      'single-source': count('single-source'),
      unproven: count('unproven'),
    },
  };
}

export function listAsTable(summaries: readonly ProfileSummary[]): string {
  return asColumns([
    ['profile', 'phases', ...CONFIDENCES, 'meter'],
    ...summaries.map(({ name, phases, registers, title }) => [
      name,
      String(phases),
      ...CONFIDENCES.map((confidence) => String(registers[confidence])),
      title,
    ]),
  ]);
}
