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
};

/** Prepares contests that share what they need; `rounds` is how often each contestant will run. */
export type Benchmark = {
  readonly name: string;
  readonly prepare: () => Promise<{
    readonly contests: readonly Contest[];
    readonly close: () => Promise<void>;
  }>;
  readonly rounds: number;
};

/** Runs all contestants of all contests in turn, so that what the machine does besides falls on each alike. */
export async function hold(benchmark: Benchmark): Promise<Row[]> {
  const { contests, close } = await benchmark.prepare();
  const taken = new Map<Contestant, number[]>();
  try {
    for (let round = 0; round < benchmark.rounds; round++) {
      for (const contestant of contestantsOf(contests)) {
        taken.set(contestant, [...(taken.get(contestant) ?? []), await contestant.run()]);
      }
    }
  } finally {
    await close();
  }
  return contests.flatMap((contest) => rowsOf(contest, taken));
}

/** A peer of several contests runs once a round. */
function contestantsOf(contests: readonly Contest[]): Set<Contestant> {
  return new Set(contests.flatMap(({ ours, peers }) => [ours, ...peers]));
}

function rowsOf({ name, unit, better, ...contest }: Contest, taken: Map<Contestant, number[]>): Row[] {
  const ours = median(taken.get(contest.ours)!);
  const note = contest.note?.();
  return contest.peers.map((contestant) => {
    const peer = median(taken.get(contestant)!);
    const ratio = better === 'more' ? ours / peer : peer / ours;
    return {
      name,
      ours,
      peer,
      peerName: contestant.name,
      ratio,
      unit,
      ...(note === undefined ? {} : { note }),
    };
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
