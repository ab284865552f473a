/*
 * What the demo's page knows, and how each message of the flow changes it. Plain functions and nothing imported: the text of
 * the compiled file is the code of a function node.
 */

export type PagePoint = {
  readonly seq: number;
  readonly time: number;
  readonly watt: number;
  readonly kwh: string;
};

export type PageMeter = {
  readonly id: string;
  readonly name: string;
  /** Rising by number; the last one is the meter's latest reading. */
  readonly curve: readonly PagePoint[];
};

export type PageFinding = {
  readonly meter: string;
  readonly seq: number;
  readonly reason: string;
  /** When the meter gave it; absent where it is not one of the last minutes. */
  readonly time?: number;
};

export type PageComparison = {
  readonly at: number;
  readonly outcome: string;
  readonly readings: number;
  readonly verified: number;
  readonly tampered: number;
  readonly unverifiable: number;
  readonly windowMs: number;
  readonly chain: { readonly size: number; readonly root: string } | null;
  readonly findings: readonly PageFinding[];
};

export type PageTampering = {
  readonly meter: string;
  readonly seq: number;
  readonly time: string;
  readonly unit: string;
  readonly was: string;
  readonly is: string;
};

export type PageState = {
  readonly meters: readonly PageMeter[];
  readonly link: { readonly state: string; readonly since: number } | null;
  readonly comparing: boolean;
  readonly last: PageComparison | null;
  /** Of the last comparison that saw the chain; what happened there since is not known on this side. */
  readonly chain: {
    readonly size: number;
    readonly root: string;
    readonly at: number;
    /** Of the switch. */
    readonly grade: number | null;
  } | null;
  readonly history: readonly Omit<PageComparison, 'findings'>[];
  readonly tampering: PageTampering | null;
  /** What was changed is put back, and nothing was compared since. */
  readonly restored: boolean;
  readonly trouble: string | null;
};

/** A message of the flow, as far as the page looks at it. */
export type PageMessage = {
  readonly topic?: string;
  readonly payload?: unknown;
  readonly reading?: {
    readonly meter: string;
    readonly seq: number;
    readonly time: string;
    readonly values: readonly { readonly obis: string; readonly value?: string }[];
  };
  readonly comparison?: {
    readonly outcome: string;
    readonly readings: number;
    readonly verified: number;
    readonly tampered: number;
    readonly unverifiable: number;
    readonly checkedAt: string;
    readonly windowMs: number;
    readonly chain: { readonly size: number; readonly root: string } | null;
    readonly switch: { readonly grade: number } | null;
    readonly findings: readonly {
      readonly meter: string;
      readonly seq: number;
      readonly verdict: string;
      readonly reason: string;
    }[];
  };
  readonly switch?: { readonly state: string; readonly since: string };
  /** A verdict on the message's reading alone. */
  readonly verification?: unknown;
  readonly error?: { readonly message: string };
};

const CURVE_MS = 5 * 60_000;
const MOST_POINTS = 400;
const MOST_FINDINGS = 20;
const MOST_HISTORY = 8;

export const EMPTY_PAGE: PageState = {
  meters: [],
  link: null,
  comparing: false,
  last: null,
  chain: null,
  history: [],
  tampering: null,
  restored: false,
  trouble: null,
};

/** @param names of the meters, by ID, in the order in which the page has them */
export function nextPage(
  state: PageState,
  message: PageMessage,
  names: Readonly<Record<string, string>>,
): PageState {
  const { topic, reading, comparison, verification, error } = message;
  if (error !== undefined) return { ...state, comparing: false, trouble: error.message };
  if (comparison !== undefined) return withComparison(state, comparison);
  // The reading was here when it came.
  if (verification !== undefined) return state;
  if (reading !== undefined) return { ...state, meters: withReading(state.meters, reading, names) };
  if (message.switch !== undefined) {
    const { state: now, since } = message.switch;
    return { ...state, link: { state: now, since: Date.parse(since) } };
  }
  if (topic === 'insider') {
    const tampering = message.payload as PageTampering | null;
    const restored = tampering === null && (state.restored || state.tampering !== null);
    return { ...state, tampering, restored, trouble: null };
  }
  if (topic === 'insider-failed') return { ...state, trouble: firstLine(String(message.payload)) };
  // Everything that the page knows of the switch is from before this start.
  if (topic === 'start') return { ...state, link: null, comparing: false, trouble: null };
  if (topic === 'compare') return { ...state, comparing: true, trouble: null };
  return state;
}

/** Of what a command prints where it fails. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.replace(/^meterseal: /, '');
}

function withComparison(state: PageState, told: NonNullable<PageMessage['comparison']>): PageState {
  const { outcome, readings, verified, tampered, unverifiable, windowMs, chain } = told;
  const at = Date.parse(told.checkedAt);
  const counts = { at, outcome, readings, verified, tampered, unverifiable, windowMs };
  const head = chain === null ? null : { size: chain.size, root: chain.root };
  const findings = told.findings
    .filter(({ verdict }) => verdict === 'tampered')
    .slice(0, MOST_FINDINGS)
    .map(({ meter, seq, reason }) => ({ meter, seq, reason, ...timeOf(state.meters, meter, seq) }));
  const row = { ...counts, chain: head };
  return {
    ...state,
    comparing: false,
    restored: false,
    trouble: null,
    last: { ...row, findings },
    chain: head === null ? state.chain : { ...head, at, grade: told.switch?.grade ?? null },
    history: [row, ...state.history].slice(0, MOST_HISTORY),
  };
}

function timeOf(meters: readonly PageMeter[], id: string, seq: number): { time?: number } {
  const point = meters.find((meter) => meter.id === id)?.curve.find((one) => one.seq === seq);
  return point === undefined ? {} : { time: point.time };
}

function withReading(
  meters: readonly PageMeter[],
  { meter: id, seq, time, values }: NonNullable<PageMessage['reading']>,
  names: Readonly<Record<string, string>>,
): readonly PageMeter[] {
  const stored = (obis: string): string | undefined => values.find((value) => value.obis === obis)?.value;
  const [watt, kwh] = [stored('1-0:16.7.0'), stored('1-0:1.8.0')];
  if (watt === undefined || kwh === undefined) return meters;
  const point = { seq, time: Date.parse(time), watt: Number(watt), kwh };
  const known = meters.find((meter) => meter.id === id);
  const points = [...(known?.curve ?? []).filter((one) => one.seq !== seq), point].sort(
    (a, b) => a.seq - b.seq,
  );
  const from = points.at(-1)!.time - CURVE_MS;
  const curve = points.filter((one) => one.time >= from).slice(-MOST_POINTS);
  const meter = { id, name: names[id] ?? id, curve };
  if (known !== undefined) return meters.map((one) => (one.id === id ? meter : one));
  const order = Object.keys(names);
  return [...meters, meter].sort((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
}
