import * as v from 'valibot';
import type { FieldError } from '../protocol/fault.ts';
import { err, ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';
import type { Filter, FilterKind } from './filter.ts';

/** A filter kind with its arguments' schema closed over. */
export interface DefinedFilter extends FilterKind {
  /** The filter, or every argument that is wrong (paths relative to `args`). */
  make(args: unknown): Result<Filter, readonly FieldError[]>;
}

/** Describes a filter: what it is, what arguments it accepts, and how they make one. */
export const defineFilter = <Schema extends v.GenericSchema, Plan>(
  kind: FilterKind,
  args: Schema,
  make: (args: v.InferOutput<Schema>) => Omit<Filter<Plan>, 'name' | 'needs'>,
): DefinedFilter => ({
  ...kind,
  make(given) {
    const parsed = v.safeParse(args, given);
    if (!parsed.success) return err(parsed.issues.map(toFieldError));
    const { name, needs } = kind;
    // The plan's type is the filter's own affair: the chain only carries it from `scan` to `map`.
    return ok({ name, needs, ...make(parsed.output) });
  },
});

const toFieldError = (issue: v.BaseIssue<unknown>): FieldError => ({
  path: v.getDotPath(issue) ?? '',
  expected: issue.kind === 'schema' ? (issue.expected ?? 'another value') : issue.message,
  got: issue.received,
});
