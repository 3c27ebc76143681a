import { blend, decayed, descended, scaled } from './arithmetic.ts';
import { atLeastZero, decay } from './option.ts';
import type { Optimizer } from './optimizer.ts';

export interface RmspropOptions {
  /** How much of the running mean of g^2 stays at each step. Default 0.99. */
  readonly alpha?: number;
  /** Added to the root of the mean square. Default 1e-8. */
  readonly eps?: number;
  /** L2 penalty: weightDecay * w joins the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Divide by the running deviation instead of the root mean square. Default false. */
  readonly centered?: boolean;
}

/**
 * PyTorch's RMSprop (torch.optim.RMSprop; Hinton 2012): g += wd w; v = a v + (1 - a) g^2; d = g / (sqrt(v) + eps), with
 * v - mean(g)^2 for v where centered; w -= lr d, or b = m b + d; w -= lr b with momentum.
 */
export const rmsprop = (options: RmspropOptions): Optimizer => {
  const alpha = decay('alpha', options.alpha ?? 0.99);
  const eps = atLeastZero('eps', options.eps ?? 1e-8);
  const weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0);
  const momentum = atLeastZero('momentum', options.momentum ?? 0);
  const centered = options.centered ?? false;
  return {
    slots: [
      'square_avg',
      ...(centered ? ['grad_avg'] : []),
      ...(momentum === 0 ? [] : ['momentum']),
    ],
    step: (g, { parameter, gradient, lr, state }) => {
      const { square_avg = '', grad_avg, momentum: before } = state;
      const pull = decayed(g, weightDecay, gradient, parameter);
      const square = blend(g, alpha, square_avg, g.op('Mul', [pull, pull]));
      const mean = grad_avg === undefined ? undefined : blend(g, alpha, grad_avg, pull);
      // Never below zero, but for rounding.
      const variance =
        mean === undefined
          ? square
          : g.op('Relu', [g.op('Sub', [square, g.op('Mul', [mean, mean])])]);
      const spread = g.op('Add', [g.op('Sqrt', [variance]), g.scalar(eps, square)]);
      const direction = g.op('Div', [pull, spread]);
      const velocity =
        before === undefined ? undefined : g.op('Add', [scaled(g, momentum, before), direction]);
      return {
        parameter: descended(g, parameter, lr, velocity ?? direction),
        state: {
          square_avg: square,
          ...(mean !== undefined && { grad_avg: mean }),
          ...(velocity !== undefined && { momentum: velocity }),
        },
      };
    },
  };
};
