import { refuse } from '../fault.ts';
import { bceWithLogits } from './bce-with-logits.ts';
import type { BceOptions } from './bce-with-logits.ts';
import type { ClassOptions } from './class-labels.ts';
import { cosine } from './cosine.ts';
import type { CosineOptions } from './cosine.ts';
import { graphLoss } from './graph-loss.ts';
import type { GraphLossOptions } from './graph-loss.ts';
import { klDivergence } from './kl-divergence.ts';
import type { KlOptions } from './kl-divergence.ts';
import type { CommonOptions, Loss } from './loss.ts';
import { nll } from './nll.ts';
import { huber, mae, mse, smoothL1 } from './regression.ts';
import type { HuberOptions, SmoothL1Options } from './regression.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';
import type { SoftmaxCrossEntropyOptions } from './softmax-cross-entropy.ts';

/** The options of each loss. */
interface Options {
  readonly 'bce-with-logits': BceOptions;
  readonly cosine: CosineOptions;
  readonly huber: HuberOptions;
  readonly kl: KlOptions;
  readonly mae: CommonOptions;
  readonly mse: CommonOptions;
  readonly nll: ClassOptions;
  readonly 'smooth-l1': SmoothL1Options;
  readonly 'softmax-cross-entropy': SoftmaxCrossEntropyOptions;
}

export type LossName = keyof Options;

type Named<N extends LossName> = { readonly [K in N]: { readonly name: K } & Options[K] }[N];

/** A loss by name, by name with options, or as an ONNX graph. */
export type LossOptions = LossName | Named<LossName> | GraphLossOptions;

const LOSSES: { readonly [N in LossName]: (options: Named<N>) => Loss } = {
  'bce-with-logits': bceWithLogits,
  cosine,
  huber,
  kl: klDivergence,
  mae,
  mse,
  nll,
  'smooth-l1': smoothL1,
  'softmax-cross-entropy': softmaxCrossEntropy,
};

const make = <N extends LossName>(options: Named<N>): Loss => LOSSES[options.name](options);

/** The loss that the options ask for; refuses a name that isn't registered. */
export const lossOf = (options: LossOptions): Loss => {
  if (typeof options !== 'string' && 'graph' in options) return graphLoss(options);
  const named: Named<LossName> = typeof options === 'string' ? { name: options } : options;
  return Object.hasOwn(LOSSES, named.name)
    ? make(named)
    : refuse({
        reason: 'bad_option',
        option: 'loss',
        detail: `expected one of ${Object.keys(LOSSES).join(', ')}, got ${named.name}`,
      });
};
