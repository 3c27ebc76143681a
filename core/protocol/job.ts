import * as v from 'valibot';
import { DTYPES, type Dtype } from '../tensors/dtype.ts';
import { LIMITS } from './limits.ts';
import { ManifestSchema } from './manifest.ts';
import { Digest, Id, JobName, SiteName } from './names.ts';

const Pattern = v.pipe(
  v.string(),
  v.minLength(1, 'at least 1 character'),
  v.maxLength(LIMITS.patternLength, `at most ${LIMITS.patternLength} characters`),
);
const Patterns = v.pipe(
  v.array(Pattern),
  v.minLength(1, 'at least one pattern'),
  v.maxLength(LIMITS.patterns, `at most ${LIMITS.patterns} patterns`),
);
/** Arguments of a named component: checked by the component's own schema at submission. */
const Args = v.record(v.string(), v.unknown());

/** What each example must look like. Checked by the site before training; a mismatch is BAD_TASK_DATA. */
export const DataContract = v.strictObject({
  x: v.strictObject({
    shape: v.array(v.pipe(v.number(), v.integer(), v.minValue(1))),
    dtype: v.picklist(Object.keys(DTYPES) as Dtype[]),
  }),
  y: v.optional(v.strictObject({ classes: v.pipe(v.number(), v.integer(), v.minValue(1)) })),
});
export type DataContract = v.InferOutput<typeof DataContract>;

const ProgramSpec = v.strictObject({ blob: Digest, manifest: ManifestSchema });

const Programs = v.pipe(
  v.record(Id, ProgramSpec),
  v.check(
    (programs) => Object.keys(programs).length <= LIMITS.programs,
    `at most ${LIMITS.programs} programs`,
  ),
);

const WorkflowSpec = v.strictObject({ id: Id, use: Id, args: v.optional(Args, {}) });

const ExecutorSpec = v.strictObject({
  tasks: Patterns,
  sites: v.optional(Patterns, ['@all']),
  use: Id,
  args: v.optional(Args, {}),
});

const FilterSpec = v.strictObject({
  tasks: Patterns,
  sites: v.optional(Patterns, ['@all']),
  on: v.picklist(['data', 'result']),
  at: v.picklist(['site', 'server']),
  use: Id,
  args: v.optional(Args, {}),
});

/**
 * A job as submitted: FLARE's meta.json and config_fed_* in one document. Site, task and executor patterns are globs;
 * the first match wins.
 */
export const JobSpec = v.strictObject({
  name: JobName,
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(2 ** 32 - 1)), 0),
  minSites: v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.sitesPerJob)),
    1,
  ),
  mandatorySites: v.optional(v.pipe(v.array(SiteName), v.maxLength(LIMITS.sitesPerJob)), []),
  deploy: v.optional(Patterns, ['@all']),
  model: v.optional(Digest),
  data: v.optional(DataContract),
  programs: v.optional(Programs, {}),
  workflows: v.pipe(
    v.array(WorkflowSpec),
    v.minLength(1, 'at least one workflow'),
    v.maxLength(LIMITS.workflows, `at most ${LIMITS.workflows} workflows`),
  ),
  executors: v.pipe(
    v.array(ExecutorSpec),
    v.minLength(1, 'at least one executor'),
    v.maxLength(LIMITS.executors, `at most ${LIMITS.executors} executors`),
  ),
  filters: v.optional(
    v.pipe(v.array(FilterSpec), v.maxLength(LIMITS.filters, `at most ${LIMITS.filters} filters`)),
    [],
  ),
});
export type JobSpec = v.InferOutput<typeof JobSpec>;
/** A spec before defaults are filled in: what a person writes. */
export type JobSpecInput = v.InferInput<typeof JobSpec>;
