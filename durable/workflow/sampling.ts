import { createHash } from 'node:crypto';
import { byName } from '../../core/protocol/names.ts';

/**
 * Chooses `count` of the names by the job's seed, and sorts them by name. Each name has a hash of its own for the seed and
 * the salt, so who joins or leaves doesn't change how the others rank.
 */
export function choose(
  names: readonly string[],
  count: number,
  { seed, salt }: { readonly seed: number; readonly salt: string },
): string[] {
  if (count >= names.length) return [...names].sort(byName);
  const rank = (name: string): string =>
    createHash('sha256').update(`${seed}\n${salt}\n${name}`).digest('hex');
  return names
    .map((name) => ({ name, rank: rank(name) }))
    .sort((a, b) => byName(a.rank, b.rank))
    .slice(0, count)
    .map(({ name }) => name)
    .sort(byName);
}
