import type { BaseIssue } from 'valibot';
import { shown } from '../tensors/fault.ts';
import type { FieldError } from './fault.ts';

/** More errors than a person reads help nobody. */
const MOST = 32;

const pathOf = (issue: BaseIssue<unknown>): string =>
  (issue.path ?? []).reduce((path, { key }) => {
    if (typeof key === 'number') return `${path}[${key}]`;
    const name = shown(String(key));
    return path === '' ? name : `${path}.${name}`;
  }, '');

/** valibot's issues as field errors; paths like `workflows[0].args.rounds`, below `prefix` where given. */
export const fieldErrors = (
  issues: readonly BaseIssue<unknown>[],
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
