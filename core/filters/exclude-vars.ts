import * as v from 'valibot';
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
    v.pipe(v.array(v.string()), v.minLength(1, 'at least one name')),
    v.pipe(
      v.string(),
      v.minLength(1, 'a regular expression'),
      v.maxLength(256, 'at most 256 characters'),
      v.check(compiles, 'a regular expression'),
    ),
  ]),
});

/**
 * Keeps tensors at the site: those of the given names, or those whose name a regular expression finds anywhere in.
 * FLARE's ExcludeVars(exclude_vars).
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
    return { keeps: (tensor: string) => !names.has(tensor) };
  },
);
