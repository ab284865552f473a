/** One line of the benchmark table: ours and a peer, measured in turn in one run. */
export type Row = {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  readonly peerName: string;
  /** How many times better ours is: above 1 is better, whichever way the unit counts. */
  readonly ratio: number;
  readonly unit: string;
  /** What else was measured on the way, for the reader. */
  readonly note?: string;
};

/** A contestant: one measured run. */
export type Contestant = { readonly name: string; readonly run: () => Promise<number> };

export type Contest = {
  readonly name: string;
  readonly unit: string;
  /** Whether more of the unit is better. */
  readonly better: 'more' | 'less';
  readonly ours: Contestant;
  readonly peers: readonly Contestant[];
  /** What was noticed besides, once all rounds are done. */
  readonly note?: () => string;
  readonly close?: () => Promise<void>;
};

/** Prepares a contest; `rounds` is how often each contestant will run. */
export type Benchmark = {
  readonly name: string;
  readonly prepare: () => Promise<Contest>;
  readonly rounds: number;
};

/** Runs all contestants in turn, so that what the machine does besides falls on each alike. */
export async function hold(benchmark: Benchmark): Promise<Row[]> {
  const contest = await benchmark.prepare();
  const contestants = [contest.ours, ...contest.peers];
  const taken = contestants.map((): number[] => []);
  try {
    for (let round = 0; round < benchmark.rounds; round++) {
      for (const [i, { run }] of contestants.entries()) taken[i]!.push(await run());
    }
  } finally {
    await contest.close?.();
  }
  const ours = median(taken[0]!);
  const note = contest.note?.();
  return contest.peers.map(({ name }, i) => {
    const peer = median(taken[i + 1]!);
    const ratio = contest.better === 'more' ? ours / peer : peer / ours;
    return {
      name: contest.name,
      ours,
      peer,
      peerName: name,
      ratio,
      unit: contest.unit,
      ...(note === undefined ? {} : { note }),
    };
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
