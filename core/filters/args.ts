import * as v from 'valibot';

/** A finite number > 0. */
export const Positive = v.pipe(
  v.number(),
  v.finite('a finite number'),
  v.gtValue(0, 'a number > 0'),
);

/** A number from `min` to `max`. */
export const between = (min: number, max: number) =>
  v.pipe(
    v.number(),
    v.minValue(min, `a number from ${min} to ${max}`),
    v.maxValue(max, `a number from ${min} to ${max}`),
  );
