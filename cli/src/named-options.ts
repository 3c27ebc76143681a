import { CommandError } from './exit-code.ts';

/** A thing of a registry by name, and options of its own. */
export interface NamedOptions {
  readonly name: string;
  readonly [option: string]: unknown;
}

/** `true`, a number, numbers with slashes between them, or text. */
const valueOf = (text: string): unknown => {
  if (text === 'true' || text === 'false') return text === 'true';
  const numbers = text.split('/').map((part) => (part.trim() === '' ? NaN : Number(part)));
  if (numbers.some(Number.isNaN)) return text;
  return numbers.length > 1 ? numbers : numbers[0];
};

/**
 * Reads `name` or `name:option=value,option=value`, as in `adam:betas=0.9/0.98,amsgrad=true`; `known` has the options of
 * each name. Throws CommandError on a name or an option that isn't there.
 */
export const namedOptions = (
  option: string,
  text: string,
  known: Readonly<Record<string, readonly string[]>>,
): NamedOptions => {
  const [name = '', rest] = text.split(/:(.*)/s);
  const options = Object.hasOwn(known, name) ? known[name] : undefined;
  const wrong = (expected: string, got: string): CommandError =>
    new CommandError('usage', `option --${option}: expected ${expected}, got '${got}'`);
  if (!options) throw wrong(`one of ${Object.keys(known).join(', ')}`, name);
  const pairs = (rest ?? '').split(',').filter((pair) => pair !== '');
  const entries = pairs.map((pair): [string, unknown] => {
    const [key = '', value] = pair.split(/=(.*)/s);
    if (value === undefined) throw wrong(`${name}:option=value`, text);
    if (options.includes(key)) return [key, valueOf(value)];
    throw wrong(`options of ${name} (${options.join(', ') || 'it has none'})`, key);
  });
  return { ...Object.fromEntries(entries), name };
};
