import type { Batch } from './batches.ts';
import type { Step } from './round.ts';

/** TensorFlow.js, as far as it is used outside of tfjs.js. */
export interface TensorFlow {
  readonly setBackend: (name: string) => Promise<boolean>;
}
export const tfjsStepper: (tf: TensorFlow, model: string, batch: Batch) => Step;
