import * as v from 'valibot';
import { matchesAny } from '../protocol/glob.ts';
import { LIMITS } from '../protocol/limits.ts';
import { defineFilter } from './define.ts';

const compiles = (source: string): boolean => {
  try {
    return new RegExp(source) instanceof RegExp;
  } catch {
    return false;
  }
};

const Args = v.strictObject({
  excludeVars: v.union([
    v.pipe(
      v.array(v.pipe(v.string(), v.maxLength(LIMITS.tensorNameLength))),
      v.minLength(1, 'at least one name'),
    ),
    v.pipe(
      v.string(),
      v.minLength(1, 'a regular expression'),
      v.maxLength(256, 'at most 256 characters'),
      v.check(compiles, 'a regular expression'),
    ),
  ]),
});

/**
 * Keeps tensors at the site: a list has names, or globs where there is a `*` or `?` in them; a string is a regular
 * expression, found anywhere in the name. FLARE's ExcludeVars(exclude_vars), whose lists have no globs.
 */
export const excludeVars = defineFilter(
  { name: 'exclude-vars', needs: 'ANY', at: ['site'], on: ['result'], impliesPartial: true },
  Args,
  ({ excludeVars: excluded }) => {
    if (typeof excluded === 'string') {
      const pattern = new RegExp(excluded);
      return { keeps: (tensor: string) => !pattern.test(tensor) };
    }
    const names = new Set(excluded);
    const globs = excluded.filter((name) => /[*?]/.test(name));
    return { keeps: (tensor: string) => !names.has(tensor) && !matchesAny(globs, tensor) };
  },
);
