import type { ParcelContext } from '../../core/filters/chain.ts';
import type { Filter, FilterFault, Rng, Traffic } from '../../core/filters/filter.ts';
import { findFilter } from '../../core/filters/registry.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';

/** A job's filters at the server for a task, of one site's result, in the order of the spec. Throws where one is gone. */
export const serverFilters = (
  { filters }: JobSpec,
  on: Traffic,
  task: string,
  site?: string,
): readonly Filter[] =>
  filters
    .filter(
      (one) =>
        one.at === 'server' &&
        one.on === on &&
        matchesAny(one.tasks, task) &&
        (site === undefined || matchesAny(one.sites, site)),
    )
    .map(({ use, args }) => {
      const made = findFilter(use)?.make(args);
      if (!made?.ok) throw new Error(`this server can not filter with '${use}'`);
      return made.value;
    });

/** What filters at the server know besides. None of them draws random numbers: what they hide would be known here. */
export const serverContext = ({ programs }: JobSpec, on: Traffic): ParcelContext => ({
  roles: new Map(programs['train']?.manifest.parameters.map(({ name, role }) => [name, role])),
  random: () => noNumbers,
  on,
});

const noNumbers: Rng = () => {
  throw new Error('a filter at the server asked for a random number');
};

/** Why a filter let nothing pass, in a sentence. */
export const said = ({ filter, detail }: FilterFault): string => `${filter}: ${detail}`;
