import { drawOf } from './draw.ts';

/** What a pseudo-training depends on: everything, and nothing else. */
export interface TrainingKey {
  readonly seed: number;
  readonly site: string;
  readonly round: number;
}

/** Deterministic training of one float32 tensor: every element shrinks a little and gets seeded noise. */
export function train(values: Float32Array, tensor: string, { seed, site, round }: TrainingKey): Float32Array<ArrayBuffer> {
  const draw = drawOf(seed, site, round, tensor);
  return Float32Array.from(values, (value) => Math.fround(value * 0.75 + (draw() - 0.5)));
}

/** Optimizer steps that a site claims: its weight. */
export const stepsOf = ({ seed, site }: Omit<TrainingKey, 'round'>): number =>
  1 + Math.floor(drawOf(seed, site, 'steps')() * 20);

/** How long the training of one round takes. */
export const millisecondsOf = ({ seed, site, round }: TrainingKey): number =>
  2 + drawOf(seed, site, round, 'time')() * 25;
