/** The learning rate of a step (from 0) of so many. */
export type Schedule = (step: number, steps: number) => number;

/** The same rate throughout. */
export const constant =
  (rate: number): Schedule =>
  () =>
    rate;

/** Falls evenly from `rate` towards `last` (0), which the step after the last one would have. */
export const linear =
  (rate: number, last = 0): Schedule =>
  (step, steps) =>
    rate + ((last - rate) * step) / steps;

/** Half a cosine from `rate` down towards `last` (0): Loshchilov and Hutter, 2017, without restarts. */
export const cosine =
  (rate: number, last = 0): Schedule =>
  (step, steps) =>
    last + ((rate - last) * (1 + Math.cos((Math.PI * step) / steps))) / 2;

/** `schedule` behind a start of `steps` in which the rate grows evenly to what it begins with. */
export const warmup =
  (steps: number, schedule: Schedule): Schedule =>
  (step, all) =>
    step < steps
      ? (schedule(0, all - steps) * (step + 1)) / steps
      : schedule(step - steps, all - steps);
