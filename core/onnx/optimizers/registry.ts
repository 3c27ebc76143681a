import type { Optimizer } from './optimizer.ts';
import { sgd } from './sgd.ts';
import type { SgdOptions } from './sgd.ts';

export type OptimizerOptions = SgdOptions;

/** Update rules by name. */
const OPTIMIZERS = { sgd } as const;

export const optimizerOf = (options: OptimizerOptions): Optimizer =>
  OPTIMIZERS[options.name](options);
