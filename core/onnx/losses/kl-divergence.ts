import type { Emitter } from '../emitter.ts';
import { elementwise } from './elementwise.ts';
import type { Over } from './elementwise.ts';
import type { CommonOptions, Loss } from './loss.ts';

export interface KlOptions extends CommonOptions {
  /** Whether the target holds log-probabilities, as the output does. Default false: probabilities. */
  readonly logTarget?: boolean;
  /** What the mean is over: PyTorch's `mean` (elements, the default) or its `batchmean` (examples). */
  readonly over?: Over;
}

/** The smallest normal float32: t ln(max(t, TINY)) is 0 at t = 0. */
const TINY = 2 ** -126;

/** Kullback-Leibler divergence (torch.nn.KLDivLoss) of log-probabilities z: t (ln t - z); slope -t. */
export const klDivergence = (options: KlOptions): Loss =>
  elementwise(
    options,
    (g, z, y) => {
      const [t, log] = options.logTarget ? [g.op('Exp', [y]), y] : [y, logOf(g, y)];
      return { loss: g.op('Mul', [t, g.op('Sub', [log, z])]), slope: g.op('Neg', [t]) };
    },
    { over: options.over ?? 'elements' },
  );

const logOf = (g: Emitter, t: string): string =>
  g.op('Log', [g.op('Clip', [t, g.scalar(TINY, t)])]);
