import * as v from 'valibot';
import { shown } from '../tensors/fault.ts';
import { err, ok, type Result } from '../tensors/result.ts';
import type { FieldError } from './fault.ts';

export { shown };

/** More errors than a person reads help nobody. */
const MOST = 32;

const pathOf = (issue: v.BaseIssue<unknown>): string =>
  (issue.path ?? []).reduce((path, { key }) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    const name = shown(String(key));
    return path === '' ? name : `${path}.${name}`;
  }, '');

/** valibot's issues as field errors; paths like `workflows[0].args.rounds`, below `prefix` where given. */
export const fieldErrors = (
  issues: readonly v.BaseIssue<unknown>[],
  prefix = '',
): readonly FieldError[] =>
  issues.slice(0, MOST).map((issue) => {
    const path = pathOf(issue);
    // A schema of ours says in its message what it expects; valibot's own begin with `Invalid`.
    const own = !issue.message.startsWith('Invalid ');
    return {
      path: prefix === '' ? path : path === '' ? prefix : `${prefix}.${path}`,
      expected: own ? issue.message : (issue.expected ?? issue.message),
      got: shown(issue.received),
    };
  });

/** Values below which all errors are looked for: each costs memory, and a body may have hundreds of thousands. */
const SMALL = 10_000;

/** Checks a value that came as JSON: the schema's output, or every field at fault (of a large value, the first). */
export function checked<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  prefix = '',
): Result<T, readonly FieldError[]> {
  const first = v.safeParse(schema, value, { abortEarly: true });
  if (first.success) return ok(first.output);
  const all = countValues(value, SMALL) < SMALL ? v.safeParse(schema, value) : first;
  return err(fieldErrors(all.issues ?? first.issues, prefix));
}

/** Values in a JSON value, itself included; stops at `most`. */
function countValues(value: unknown, most: number): number {
  const open: unknown[] = [value];
  let count = 0;
  for (let next = open.pop(); next !== undefined && count < most; next = open.pop()) {
    count++;
    if (typeof next !== 'object' || next === null) continue;
    for (const inner of Object.values(next)) if (open.length < most) open.push(inner);
  }
  return count;
}
