import type { LoadState, PhaseState } from './load-curve.js';

/**
 * The number that a meter shows under an OBIS code, in W, VA, var, V, A, Hz, %, degrees, kWh, kvarh or kVAh.
 *
 * @throws Error for a code that the simulator does not know: a profile with it needs it here first
 */
export function quantity(load: LoadState, obis: string): number {
  const [, c, d, e] = /^1-0:(\d+)\.(\d+)\.(\d+)$/.exec(obis)?.map(Number) ?? [];
  if (c === undefined || d === undefined || e === undefined) throw new Error(`unknown OBIS code ${obis}`);
  const { phases, code } = phasesOf(load, c);
  const tariff = d === 8 ? TARIFFS[e] : undefined;
  if (tariff !== undefined) return tariff * quantity(load, `1-0:${c}.8.0`);
  const known = d === 7 && e === 124 ? distortion(phases, code) : KNOWN[`${code}.${d}.${e}`]?.(phases, load);
  if (known === undefined) throw new Error(`unknown OBIS code ${obis}`);
  return known;
}

type Formula = (phases: readonly PhaseState[], load: LoadState) => number;

/** C = 21…80 are the codes of one phase, 20 a phase; 151, 171 and 191 the signed reactive ones. */
function phasesOf(load: LoadState, c: number): { phases: readonly PhaseState[]; code: number } {
  const single = (phase: number, code: number): { phases: readonly PhaseState[]; code: number } => {
    const state = load.phases[phase];
    if (state === undefined) throw new Error(`no phase ${phase + 1}`);
    return { phases: [state], code };
  };
  if (c >= 21 && c <= 80) return single(Math.floor((c - 21) / 20), ((c - 1) % 20) + 1);
  if (c > 131 && c <= 191) return single((c - 151) / 20, 131);
  return { phases: load.phases, code: c };
}

const sum = (phases: readonly PhaseState[], of: (phase: PhaseState) => number): number =>
  phases.reduce((total, phase) => total + of(phase), 0);
const active: Formula = (phases) => sum(phases, (phase) => phase.active);
const apparent: Formula = (phases) => sum(phases, (phase) => phase.apparent);
const imported: Formula = (phases) => sum(phases, (phase) => phase.imported);
const exported: Formula = (phases) => sum(phases, (phase) => phase.exported);
const reactive: Formula = (phases) => sum(phases, (phase) => phase.reactive);
const reactiveEnergy: Formula = (phases) => sum(phases, (phase) => phase.reactiveImported);
const powerFactor: Formula = (phases, load) => active(phases, load) / apparent(phases, load);

/** What each tariff has of an energy. */
const TARIFFS: Readonly<Record<number, number>> = { 1: 0.75, 2: 0.25 };

const KNOWN: Readonly<Record<string, Formula>> = {
  '1.7.0': (phases, load) => Math.max(0, active(phases, load)),
  '2.7.0': (phases, load) => Math.max(0, -active(phases, load)),
  '9.7.0': apparent,
  '11.7.0': (phases) => sum(phases, (phase) => phase.current),
  '12.7.0': (phases) => sum(phases, (phase) => phase.voltage) / phases.length,
  '13.7.0': powerFactor,
  '14.7.0': (_, load) => load.frequency,
  '16.7.0': active,
  '81.7.0': (phases, load) => (Math.acos(Math.abs(powerFactor(phases, load))) * 180) / Math.PI,
  '131.7.0': reactive,
  '1.8.0': imported,
  '2.8.0': exported,
  '3.8.0': reactiveEnergy,
  '4.8.0': () => 0,
  '9.8.0': (phases, load) =>
    Math.hypot(imported(phases, load) + exported(phases, load), reactiveEnergy(phases, load)),
  '15.8.0': (phases, load) => imported(phases, load) + exported(phases, load),
  '131.8.0': reactiveEnergy,
};

function distortion(phases: readonly PhaseState[], code: number): number | undefined {
  return code === 12 ? sum(phases, (phase) => phase.distortion) / phases.length : undefined;
}
