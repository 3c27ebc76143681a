import { refuse } from '../fault.ts';
import type { Optimizer } from './optimizer.ts';

export interface SgdOptions {
  /** Default 0: plain gradient descent without state. */
  readonly momentum?: number;
  /** L2 penalty: weightDecay * w joins the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Look-ahead momentum. Default false. */
  readonly nesterov?: boolean;
}

const atLeastZero = (option: string, value: number): number =>
  Number.isFinite(value) && value >= 0
    ? value
    : refuse({
        reason: 'bad_option',
        option: `optimizer.${option}`,
        detail: `expected a number >= 0, got ${value}`,
      });

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
    step: (g, { parameter, gradient, lr, state }) => {
      const scaled = (by: number, x: string): string => g.op('Mul', [x, g.scalar(by, x)]);
      const pull =
        weightDecay === 0 ? gradient : g.op('Add', [gradient, scaled(weightDecay, parameter)]);
      const { momentum: before } = state;
      const velocity =
        before === undefined ? undefined : g.op('Add', [scaled(momentum, before), pull]);
      const direction =
        velocity === undefined
          ? pull
          : nesterov
            ? g.op('Add', [pull, scaled(momentum, velocity)])
            : velocity;
      return {
        parameter: g.op('Sub', [parameter, g.op('Mul', [direction, lr])]),
        state: velocity === undefined ? {} : { momentum: velocity },
      };
    },
  };
};
