import * as v from 'valibot';
import { matchesAny } from '../protocol/glob.ts';
import { LIMITS } from '../protocol/limits.ts';
import { defineFilter } from './define.ts';
import { compilePattern } from './pattern.ts';

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
      v.check((source) => compilePattern(source).ok, 'a simple regular expression'),
    ),
  ]),
});

/**
 * Keeps tensors at the site: a list has names, or globs where there is a `*` or `?` in them; a string is a regular
 * expression (see `compilePattern`), found anywhere in the name. FLARE's ExcludeVars(exclude_vars), whose lists have no globs.
 */
export const excludeVars = defineFilter(
  {
    name: 'exclude-vars',
    needs: 'ANY',
    on: { site: ['result'], server: ['result'] },
    impliesPartial: true,
  },
  Args,
  ({ excludeVars: excluded }) => {
    if (typeof excluded === 'string') {
      const pattern = compilePattern(excluded);
      if (!pattern.ok) throw new Error('a pattern that was checked');
      return { keeps: (tensor: string) => !pattern.value(tensor) };
    }
    const names = new Set(excluded);
    const globs = excluded.filter((name) => /[*?]/.test(name));
    return { keeps: (tensor: string) => !names.has(tensor) && !matchesAny(globs, tensor) };
  },
);
