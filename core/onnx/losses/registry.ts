import type { Loss, LossName } from './loss.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';

export const LOSSES: Readonly<Record<LossName, Loss>> = {
  'softmax-cross-entropy': softmaxCrossEntropy,
};
