import type { Hasher } from '@meterseal/protocol';
import { equalBytes, runningHash } from '@meterseal/protocol';

/** What a search may cost; every hash that it computes is taken off. */
export type SearchBudget = { hashes: number };

/**
 * Which readings lead from one running hash to another: for each number one of its candidates. It tells what was
 * delivered where the store, the chain and the signed statement do not all say the same.
 *
 * First candidates alone are tried first, then second ones where there are any (what the collector holds, what the chain
 * says): one of the two is nearly always the answer. Then every mixture, as far as the budget goes.
 *
 * @param candidates for each number at least one reading hash, else there is no answer
 * @returns the reading hashes, or undefined where none lead there or the budget is spent
 */
export function searchRunningHash(
  hasher: Hasher,
  start: Uint8Array,
  target: Uint8Array,
  candidates: readonly (readonly Uint8Array[])[],
  budget: SearchBudget,
): Uint8Array[] | undefined {
  if (candidates.some((hashes) => hashes.length === 0)) return undefined;
  const straight = (choice: number): Uint8Array[] | undefined => {
    const chosen = candidates.map((hashes) => hashes[choice] ?? hashes[0]!);
    budget.hashes -= chosen.length;
    const end = chosen.reduce((previous, hash) => runningHash(hasher, previous, hash), start);
    return equalBytes(end, target) ? chosen : undefined;
  };
  const mixed = candidates.some((hashes) => hashes.length > 1);
  const found = straight(0) ?? (mixed ? straight(1) : undefined);
  return found ?? (mixed ? mixture(hasher, start, target, candidates, budget) : undefined);
}

/** Depth first, without recursion: a thousand numbers are no depth for a stack. */
function mixture(
  hasher: Hasher,
  start: Uint8Array,
  target: Uint8Array,
  candidates: readonly (readonly Uint8Array[])[],
  budget: SearchBudget,
): Uint8Array[] | undefined {
  const depth = candidates.length;
  const choice = new Array<number>(depth).fill(0);
  const reached: Uint8Array[] = [start];
  let at = 0;
  while (at >= 0) {
    if (at === depth) {
      if (equalBytes(reached[depth]!, target)) return choice.map((chosen, i) => candidates[i]![chosen - 1]!);
      at--;
      continue;
    }
    const next = candidates[at]![choice[at]!];
    if (next === undefined) {
      choice[at] = 0;
      at--;
      continue;
    }
    if (budget.hashes-- <= 0) return undefined;
    choice[at] = choice[at]! + 1;
    reached[at + 1] = runningHash(hasher, reached[at]!, next);
    at++;
  }
  return undefined;
}
