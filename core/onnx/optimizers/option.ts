import { refuse } from '../fault.ts';

const checked =
  (expected: string, holds: (value: number) => boolean) =>
  (option: string, value: number): number =>
    holds(value)
      ? value
      : refuse({
          reason: 'bad_option',
          option: `optimizer.${option}`,
          detail: `expected ${expected}, got ${value}`,
        });

/** The value of an optimizer's option; refuses one out of its range. */
export const atLeastZero = checked('a number >= 0', (x) => Number.isFinite(x) && x >= 0);
export const positive = checked('a number > 0', (x) => Number.isFinite(x) && x > 0);
/** How much of a running mean stays at each step. */
export const decay = checked('a number >= 0 and < 1', (x) => x >= 0 && x < 1);
