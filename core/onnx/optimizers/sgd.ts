import { refuse } from '../fault.ts';
import { decayed, descended, scaled } from './arithmetic.ts';
import { atLeastZero } from './option.ts';
import type { Optimizer } from './optimizer.ts';

export interface SgdOptions {
  /** Default 0: plain gradient descent without state. */
  readonly momentum?: number;
  /** L2 penalty: weightDecay * w joins the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Look-ahead momentum. Default false. */
  readonly nesterov?: boolean;
}

/**
 * PyTorch's SGD (torch.optim.SGD, dampening 0): g += wd w; v = m v + g; w -= lr v, or lr (g + m v) with Nesterov.
 * The learning rate multiplies the velocity, not the gradient, so a schedule acts at once.
 */
export const sgd = (options: SgdOptions): Optimizer => {
  const momentum = atLeastZero('momentum', options.momentum ?? 0);
  const weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0);
  const nesterov = options.nesterov ?? false;
  if (nesterov && momentum === 0) {
    refuse({ reason: 'bad_option', option: 'optimizer.nesterov', detail: 'it needs a momentum' });
  }
  return {
    slots: momentum === 0 ? [] : ['momentum'],
    step: (g, { parameter, gradient, lr, state: { momentum: before } }) => {
      const pull = decayed(g, weightDecay, gradient, parameter);
      if (before === undefined) return { parameter: descended(g, parameter, lr, pull), state: {} };
      const velocity = g.op('Add', [scaled(g, momentum, before), pull]);
      const direction = nesterov ? g.op('Add', [pull, scaled(g, momentum, velocity)]) : velocity;
      return { parameter: descended(g, parameter, lr, direction), state: { momentum: velocity } };
    },
  };
};
