import { readFile } from 'node:fs/promises';
import { PolicyError, readPolicy } from '../../client-kit/src/policy/document.ts';
import type { PolicyDocument } from '../../client-kit/src/policy/document.ts';
import { CommandError } from './exit-code.ts';

/** Reads a site's policy. Throws CommandError with each field at fault. */
export const policyFile = async (file: string): Promise<PolicyDocument> => {
  const text = await readFile(file, 'utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new CommandError('data', `${file}: not JSON: ${(error as Error).message}`);
  }
  try {
    return readPolicy(value);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    const hints = error.errors.map(
      ({ path, expected, got }) => `  ${path || '(the whole)'}: expected ${expected}, got ${got}`,
    );
    throw new CommandError('data', `${file} is not a site policy`, hints);
  }
};

/** The filters that a policy requires, a text each. */
export const requiredFilters = ({ filters }: PolicyDocument): readonly string[] =>
  filters.map(({ use, args, on, tasks }) => {
    const with_ = Object.entries(args).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
    return `${use} (${with_.join(', ')}) on the ${on} of ${tasks.join(', ')}`;
  });
