import { refuse } from '../fault.ts';
import type { Loss } from './loss.ts';
import { softmaxCrossEntropy } from './softmax-cross-entropy.ts';
import type { SoftmaxCrossEntropyOptions } from './softmax-cross-entropy.ts';

/** The options of each loss. */
interface Options {
  readonly 'softmax-cross-entropy': SoftmaxCrossEntropyOptions;
}

export type LossName = keyof Options;

type Named<N extends LossName> = { readonly [K in N]: { readonly name: K } & Options[K] }[N];

/** A loss by name, or by name with options. */
export type LossOptions = LossName | Named<LossName>;

const LOSSES: { readonly [N in LossName]: (options: Named<N>) => Loss } = {
  'softmax-cross-entropy': softmaxCrossEntropy,
};

const make = <N extends LossName>(options: Named<N>): Loss => LOSSES[options.name](options);

/** The loss that the options ask for; refuses a name that isn't registered. */
export const lossOf = (options: LossOptions): Loss => {
  const named: Named<LossName> = typeof options === 'string' ? { name: options } : options;
  return Object.hasOwn(LOSSES, named.name)
    ? make(named)
    : refuse({
        reason: 'bad_option',
        option: 'loss',
        detail: `expected one of ${Object.keys(LOSSES).join(', ')}, got ${named.name}`,
      });
};
