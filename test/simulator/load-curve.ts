import { SeededRandom } from '../protocol/seeded-random.js';

/** One phase at one moment; powers in W, VA and var, energies in kWh and kvarh. */
export interface PhaseState {
  readonly voltage: number;
  readonly current: number;
  /** Negative while the phase delivers. */
  readonly active: number;
  readonly apparent: number;
  readonly reactive: number;
  readonly powerFactor: number;
  readonly imported: number;
  readonly exported: number;
  readonly reactiveImported: number;
  readonly distortion: number;
}

export interface LoadState {
  readonly phases: readonly PhaseState[];
  readonly frequency: number;
}

interface PhaseForm {
  readonly base: number;
  readonly powerFactor: number;
  readonly shift: number;
  readonly exports: boolean;
  readonly startImported: number;
  readonly startExported: number;
  readonly startReactive: number;
}

/** Waves of the load: share of the base load, and period in seconds. Together below 1, so the load never turns. */
const WAVES = [
  { share: 0.35, period: 61 },
  { share: 0.12, period: 7.3 },
] as const;
const WATT_SECONDS_PER_KWH = 3_600_000;

/**
 * A plausible load, given by seed and time alone: P = U · I · pf in each phase, energies are the exact integrals of
 * the powers and never fall. The third phase of three delivers, as one with a solar inverter does.
 */
export class LoadCurve {
  readonly #phases: readonly PhaseForm[];

  constructor(seed: number, phases: 1 | 3) {
    const random = new SeededRandom(seed + 1);
    const between = (least: number, most: number): number =>
      least + ((most - least) * random.below(1_000_000)) / 1_000_000;
    this.#phases = Array.from({ length: phases }, (_, i) => ({
      base: between(300, 3_000),
      powerFactor: between(0.9, 0.99),
      shift: between(0, 2 * Math.PI),
      exports: i === 2,
      startImported: between(100, 20_000),
      startExported: between(0, 500),
      startReactive: between(10, 900),
    }));
  }

  /** @param seconds since the curve's begin; may be negative, then energies are below their start */
  at(seconds: number): LoadState {
    return {
      phases: this.#phases.map((form) => phaseAt(form, seconds)),
      frequency: 50 + 0.02 * Math.sin(seconds / 3),
    };
  }
}

function phaseAt(form: PhaseForm, t: number): PhaseState {
  const { base, powerFactor, shift } = form;
  let load = 1;
  let integral = t;
  for (const { share, period } of WAVES) {
    const omega = (2 * Math.PI) / period;
    load += share * Math.sin(omega * t + shift);
    integral += (share / omega) * (Math.cos(shift) - Math.cos(omega * t + shift));
  }
  const power = base * load;
  const energy = (base * integral) / WATT_SECONDS_PER_KWH;
  const voltage = 230 + 2.5 * Math.sin((2 * Math.PI * t) / 97 + shift) + 0.3 * Math.sin(t + shift);
  const apparent = power / powerFactor;
  const tangent = Math.tan(Math.acos(powerFactor));
  return {
    voltage,
    current: apparent / voltage,
    active: form.exports ? -power : power,
    apparent,
    reactive: power * tangent,
    powerFactor: form.exports ? -powerFactor : powerFactor,
    imported: form.startImported + (form.exports ? 0 : energy),
    exported: form.startExported + (form.exports ? energy : 0),
    reactiveImported: form.startReactive + energy * tangent,
    distortion: 2 + 0.4 * Math.sin(t / 5 + shift),
  };
}
