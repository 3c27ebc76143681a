import type * as v from 'valibot';
import type { FieldError } from '../protocol/fault.ts';
import { checked } from '../protocol/field-errors.ts';
import { ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';
import type { Filter, FilterKind } from './filter.ts';

/** A filter kind with its arguments' schema closed over. */
export interface DefinedFilter extends FilterKind {
  /** The filter, or every argument that is wrong (paths relative to `args`). */
  make(args: unknown): Result<Filter, readonly FieldError[]>;
}

/** Describes a filter: what it is, what arguments it accepts, and how they make one. */
export const defineFilter = <Args, Plan>(
  kind: FilterKind,
  args: v.GenericSchema<unknown, Args>,
  make: (args: Args) => Omit<Filter<Plan>, 'name' | 'needs'>,
): DefinedFilter => ({
  ...kind,
  make(given) {
    const parsed = checked(args, given);
    if (!parsed.ok) return parsed;
    const { name, needs } = kind;
    // The plan's type is the filter's own affair: the chain only carries it from `scan` to `map`.
    return ok({ name, needs, ...make(parsed.value) });
  },
});
