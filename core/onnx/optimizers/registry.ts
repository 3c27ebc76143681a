import { refuse } from '../fault.ts';
import type { Optimizer } from './optimizer.ts';
import { sgd } from './sgd.ts';
import type { SgdOptions } from './sgd.ts';

export type OptimizerOptions = SgdOptions;

/** Update rules by name. */
const OPTIMIZERS = { sgd } as const;

/** The update rule that the options ask for; refuses a name that isn't registered. */
export const optimizerOf = (options: OptimizerOptions): Optimizer =>
  Object.hasOwn(OPTIMIZERS, options.name)
    ? OPTIMIZERS[options.name](options)
    : refuse({
        reason: 'bad_option',
        option: 'optimizer.name',
        detail: `expected one of ${Object.keys(OPTIMIZERS).join(', ')}, got ${options.name}`,
      });
