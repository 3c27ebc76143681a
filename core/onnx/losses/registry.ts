import { refuse } from '../fault.ts';
import type { Loss, LossName } from './loss.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';

const LOSSES: Readonly<Record<LossName, Loss>> = {
  'softmax-cross-entropy': softmaxCrossEntropy,
};

/** The loss of that name; refuses one that isn't registered. */
export const lossOf = (name: LossName): Loss =>
  Object.hasOwn(LOSSES, name)
    ? LOSSES[name]
    : refuse({
        reason: 'bad_option',
        option: 'loss',
        detail: `expected one of ${Object.keys(LOSSES).join(', ')}, got ${name}`,
      });
