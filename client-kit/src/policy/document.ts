import * as v from 'valibot';
import { findFilter, filterNames } from '../../../core/filters/registry.ts';
import type { FieldError } from '../../../core/protocol/fault.ts';
import { checked, shown } from '../../../core/protocol/field-errors.ts';
import { LIMITS } from '../../../core/protocol/limits.ts';
import { Digest } from '../../../core/protocol/names.ts';

const Globs = v.pipe(
  v.array(v.pipe(v.string(), v.minLength(1, 'at least 1 character'))),
  v.minLength(1, 'at least one glob'),
);
const Count = v.pipe(v.number(), v.integer('a whole number'), v.minValue(1, 'a whole number >= 1'));
const Seconds = v.pipe(
  v.number(),
  v.gtValue(0, 'a number > 0'),
  v.maxValue(86_400, 'at most 86400 s'),
);
const Origin = v.pipe(
  v.string(),
  v.check(
    (text) => URL.canParse(text) && new URL(text).origin === text,
    'an origin like https://fl.example.org',
  ),
);

/** A job is admitted if one rule fits it whole. */
const JobRule = v.strictObject({
  /** Of the job. */
  names: Globs,
  /** Who may ask: a server has one administrator. Any if absent. */
  servers: v.optional(v.pipe(v.array(Origin), v.minLength(1, 'at least one origin'))),
  /** Programs that the job may run here; any if absent. */
  programs: v.optional(v.array(Digest)),
  /** Executors that the job may use here; any if absent. */
  executors: v.optional(Globs),
});

const FilterRule = v.strictObject({
  tasks: v.optional(Globs, ['*']),
  on: v.optional(v.picklist(['data', 'result']), 'result'),
  use: v.string(),
  args: v.optional(v.record(v.string(), v.unknown()), {}),
});

/** What a site's owner writes: `policy.json`. */
export const PolicyDocument = v.strictObject({
  version: v.literal(1),
  jobs: v.pipe(v.array(JobRule), v.minLength(1, 'at least one rule')),
  /** `deny`: the site never hands in a model of its own; it still sends updates. */
  submit_model: v.optional(v.picklist(['allow', 'deny']), 'allow'),
  /** Around a job's own filters, in this order: the last one has the last word on a result. */
  filters: v.optional(v.pipe(v.array(FilterRule), v.maxLength(LIMITS.filters)), []),
  limits: v.optional(
    v.strictObject({
      /** Of one result. */
      bytesPerTask: v.optional(Count),
      /** Of results and logged values on one day (UTC). */
      bytesPerDay: v.optional(Count),
      /** Of a model that a task brings. */
      modelBytes: v.optional(Count),
      /** What a job may ask an executor for. */
      epochs: v.optional(Count),
      /** What a job may ask for, and what a task may take. */
      steps: v.optional(Count),
      /** What a task may take. */
      seconds: v.optional(Seconds),
    }),
    {},
  ),
});
export type PolicyDocument = v.InferOutput<typeof PolicyDocument>;

/** A policy as its owner writes it. */
export type PolicyInput = v.InferInput<typeof PolicyDocument>;

/** A policy that is none: each field at fault, by its path. */
export class PolicyError extends Error {
  readonly errors: readonly FieldError[];

  constructor(errors: readonly FieldError[]) {
    const lines = errors.map(({ path, expected, got }) => {
      return `${path || 'the policy'}: expected ${expected}, got ${got}`;
    });
    super(lines.join('\n'));
    this.name = 'PolicyError';
    this.errors = errors;
  }
}

/** Reads a policy. Throws PolicyError. */
export const readPolicy = (value: unknown): PolicyDocument => {
  const read = checked<PolicyDocument>(PolicyDocument, value);
  if (!read.ok) throw new PolicyError(read.error);
  const errors = read.value.filters.flatMap((rule, i) => errorsOf(rule, `filters[${i}]`));
  if (errors.length > 0) throw new PolicyError(errors);
  return read.value;
};

const errorsOf = (
  { use, on, args }: PolicyDocument['filters'][number],
  path: string,
): readonly FieldError[] => {
  const kind = findFilter(use);
  if (!kind) {
    const names = filterNames;
    return [{ path: `${path}.use`, expected: `one of ${names.join(', ')}`, got: shown(use) }];
  }
  if (!kind.on.site.includes(on)) {
    return [{ path: `${path}.on`, expected: kind.on.site.join(' or '), got: shown(on) }];
  }
  const made = kind.make(args);
  if (made.ok) return [];
  return made.error.map((error) => ({
    ...error,
    path: error.path === '' ? `${path}.args` : `${path}.args.${error.path}`,
  }));
};
