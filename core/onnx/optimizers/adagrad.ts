import { decayed, descended, scaled } from './arithmetic.ts';
import { atLeastZero } from './option.ts';
import type { Optimizer } from './optimizer.ts';

export interface AdagradOptions {
  /** The learning rate is divided by 1 + (t - 1) lrDecay. Default 0. */
  readonly lrDecay?: number;
  /** L2 penalty: weightDecay * w joins the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Added to the root of the sum of squares. Default 1e-10. */
  readonly eps?: number;
}

/** PyTorch's Adagrad (torch.optim.Adagrad; Duchi et al. 2011): g += wd w; s += g^2; w -= lr g / (sqrt(s) + eps). */
export const adagrad = (options: AdagradOptions): Optimizer => {
  const lrDecay = atLeastZero('lrDecay', options.lrDecay ?? 0);
  const weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0);
  const eps = atLeastZero('eps', options.eps ?? 1e-10);
  return {
    slots: ['sum'],
    step: (g, { parameter, gradient, lr, count, state: { sum: before = '' } }) => {
      const pull = decayed(g, weightDecay, gradient, parameter);
      const sum = g.op('Add', [before, g.op('Mul', [pull, pull])]);
      const spread = g.op('Add', [g.op('Sqrt', [sum]), g.scalar(eps, sum)]);
      const past = (): string => scaled(g, lrDecay, g.op('Sub', [count(), g.scalar(1, lr)]));
      const rate = lrDecay === 0 ? lr : g.op('Div', [lr, g.op('Add', [past(), g.scalar(1, lr)])]);
      return {
        parameter: descended(g, parameter, rate, g.op('Div', [pull, spread])),
        state: { sum },
      };
    },
  };
};
