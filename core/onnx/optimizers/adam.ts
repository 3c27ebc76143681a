import type { Emitter } from '../emitter.ts';
import { blend, decayed, descended, scaled } from './arithmetic.ts';
import { atLeastZero, decay } from './option.ts';
import type { Optimizer } from './optimizer.ts';

export interface AdamOptions {
  /** How much of the running means of g and g^2 stays at each step. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root of the mean square. Default 1e-8. */
  readonly eps?: number;
  /** Adam: L2 penalty, weightDecay * w joins the gradient (default 0). AdamW: w shrinks by lr * weightDecay (0.01). */
  readonly weightDecay?: number;
  /** Divide by the largest mean square so far (Reddi et al. 2018). Default false. */
  readonly amsgrad?: boolean;
}

/**
 * PyTorch's Adam (torch.optim.Adam; Kingma and Ba 2015). With c_i = 1 - b_i^t: g += wd w; m = b1 m + (1 - b1) g;
 * v = b2 v + (1 - b2) g^2; w -= lr/c1 m / (sqrt(v/c2) + eps). What is common to all parameters is computed once:
 * w -= (lr sqrt(c2)/c1) m / (sqrt(v) + eps sqrt(c2)).
 */
export const adam = (options: AdamOptions): Optimizer => {
  const weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0);
  return adaptive(options, (g, { gradient, parameter }) => ({
    gradient: decayed(g, weightDecay, gradient, parameter),
    parameter,
  }));
};

/** PyTorch's AdamW (torch.optim.AdamW; Loshchilov and Hutter 2019): first w *= 1 - lr wd, then Adam without a penalty. */
export const adamw = (options: AdamOptions): Optimizer => {
  const weightDecay = atLeastZero('weightDecay', options.weightDecay ?? 0.01);
  return adaptive(options, (g, { gradient, parameter, lr }) => ({
    gradient,
    parameter:
      weightDecay === 0
        ? parameter
        : g.op('Mul', [parameter, g.op('Sub', [g.scalar(1, lr), scaled(g, weightDecay, lr)])]),
  }));
};

/** How weight decay changes what the step starts from. */
type Start = (
  g: Emitter,
  step: { readonly gradient: string; readonly parameter: string; readonly lr: string },
) => { readonly gradient: string; readonly parameter: string };

const adaptive = (options: AdamOptions, start: Start): Optimizer => {
  const [beta1, beta2] = options.betas ?? [0.9, 0.999];
  decay('betas', beta1);
  decay('betas', beta2);
  const eps = atLeastZero('eps', options.eps ?? 1e-8);
  const amsgrad = options.amsgrad ?? false;
  return {
    slots: ['exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])],
    step: (g, { lr, count, state, ...before }) => {
      const { exp_avg = '', exp_avg_sq = '', max_exp_avg_sq = '' } = state;
      const { gradient, parameter } = start(g, { ...before, lr });
      const m = blend(g, beta1, exp_avg, gradient);
      const v = blend(g, beta2, exp_avg_sq, g.op('Mul', [gradient, gradient]));
      const top = amsgrad ? larger(g, max_exp_avg_sq, v) : v;
      const root = g.op('Sqrt', [weightSoFar(g, beta2, count())]);
      const rate = g.op('Div', [g.op('Mul', [lr, root]), weightSoFar(g, beta1, count())]);
      const spread = g.op('Add', [g.op('Sqrt', [top]), scaled(g, eps, root)]);
      return {
        parameter: descended(g, parameter, rate, g.op('Div', [m, spread])),
        state: { exp_avg: m, exp_avg_sq: v, ...(amsgrad && { max_exp_avg_sq: top }) },
      };
    },
  };
};

/** Written so because WebGPU's kernels have no Max. */
const larger = (g: Emitter, a: string, b: string): string =>
  g.op('Where', [g.op('Greater', [a, b]), a, b]);

/**
 * 1 - beta^t: the weight that a running mean from zero has collected in t steps. As 2u / (1 + u) with
 * u = tanh(-t ln(beta) / 2), because 1 - 0.999 in float32 keeps four digits only. (WebGPU's tanh, itself a difference,
 * is off by 2e-5 of the first step, and less with each.)
 */
const weightSoFar = (g: Emitter, beta: number, t: string): string => {
  const u = g.op('Tanh', [scaled(g, -Math.log(Math.max(beta, Number.MIN_VALUE)) / 2, t)]);
  return g.op('Div', [scaled(g, 2, u), g.op('Add', [u, g.scalar(1, u)])]);
};
