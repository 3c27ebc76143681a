import * as v from 'valibot';
import { LIMITS } from '../protocol/limits.ts';
import { SiteName } from '../protocol/names.ts';

/** Args that several workflows share, with messages that say what would have been right. */
export const Rounds = v.pipe(
  v.number('a number of rounds'),
  v.integer('a whole number of rounds'),
  v.minValue(1, 'at least 1 round'),
  v.maxValue(LIMITS.rounds, `at most ${LIMITS.rounds} rounds`),
);

/** A duration in seconds; 0 is none. */
export const Seconds = v.pipe(
  v.number('a number of seconds'),
  v.finite('a finite number of seconds'),
  v.minValue(0, 'at least 0 seconds'),
  v.maxValue(LIMITS.durationS, 'at most a year in seconds'),
);

/** Globs of site names. */
export const Clients = v.pipe(
  v.array(v.pipe(v.string('a glob of site names'), v.minLength(1, 'a glob of site names'))),
  v.minLength(1, 'at least one glob'),
  v.maxLength(LIMITS.sitesPerJob, `at most ${LIMITS.sitesPerJob} globs`),
);

/** Sites in a fixed order, each once. */
export const Order = v.pipe(
  v.array(SiteName),
  v.minLength(1, 'at least one site'),
  v.maxLength(LIMITS.sitesPerJob, `at most ${LIMITS.sitesPerJob} sites`),
  v.check((names) => new Set(names).size === names.length, 'each site once'),
);

export const ParamsTypeArg = v.picklist(['FULL', 'DIFF', 'ANY'], 'FULL, DIFF or ANY');
