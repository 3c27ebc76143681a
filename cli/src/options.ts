import { CommandError } from './exit-code.ts';

type Value = string | boolean | (string | boolean)[] | undefined;

/** Parsed options with their types checked where they are read. */
export class Options {
  readonly #values: Readonly<Record<string, Value>>;

  constructor(values: Readonly<Record<string, Value>>) {
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Like `text`, but throws CommandError where the option is absent. */
  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new CommandError('usage', `option --${name} is needed`);
    return value;
  }

  texts(name: string): readonly string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** A finite number within bounds. Throws CommandError otherwise. */
  number(name: string, { min = 0, integer = false } = {}): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = text.trim() === '' ? NaN : Number(text);
    if (!Number.isFinite(value) || value < min || (integer && !Number.isInteger(value))) {
      const kind = integer ? 'a whole number' : 'a number';
      throw new CommandError(
        'usage',
        `option --${name}: expected ${kind} >= ${min}, got '${text}'`,
      );
    }
    return value;
  }
}
