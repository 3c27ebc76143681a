import { drawOf } from './draw.ts';

/** What a pseudo-training depends on: everything, and nothing else. */
export interface TrainingKey {
  readonly seed: number;
  readonly site: string;
  readonly round: number;
}

/** Different noise values of one training; elements take them in turn. Drawing each would cost more than the protocol. */
const NOISE = 4093;

/** Deterministic training of one float32 tensor: every element shrinks a little and gets seeded noise. */
export function train(
  values: Float32Array,
  tensor: string,
  { seed, site, round }: TrainingKey,
): Float32Array<ArrayBuffer> {
  const draw = drawOf(seed, site, round, tensor);
  const noise = Float64Array.from({ length: NOISE }, () => draw() - 0.5);
  const trained = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    trained[i] = (values[i] as number) * 0.75 + (noise[i % NOISE] as number);
  }
  return trained;
}

/** Optimizer steps that a site claims: its weight. */
export const stepsOf = ({ seed, site }: Omit<TrainingKey, 'round'>): number =>
  1 + Math.floor(drawOf(seed, site, 'steps')() * 20);

/** How long the training of one round takes. */
export const millisecondsOf = ({ seed, site, round }: TrainingKey): number =>
  2 + drawOf(seed, site, round, 'time')() * 25;
