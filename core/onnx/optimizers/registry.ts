import type { Manifest } from '../../tensors/manifest.ts';
import { refuse } from '../fault.ts';
import { adagrad } from './adagrad.ts';
import type { AdagradOptions } from './adagrad.ts';
import { adam, adamw } from './adam.ts';
import type { AdamOptions } from './adam.ts';
import type { ClipOptions } from './clip.ts';
import type { Optimizer } from './optimizer.ts';
import { rmsprop } from './rmsprop.ts';
import type { RmspropOptions } from './rmsprop.ts';
import { sgd } from './sgd.ts';
import type { SgdOptions } from './sgd.ts';

/** The options of each update rule. */
interface Options {
  readonly adagrad: AdagradOptions;
  readonly adam: AdamOptions;
  readonly adamw: AdamOptions;
  readonly rmsprop: RmspropOptions;
  readonly sgd: SgdOptions;
}

/** What any update rule can be asked for besides. */
export interface CommonOptions {
  /** Bounds the gradients, after the proximal term has joined them. */
  readonly clip?: ClipOptions;
  /** FedProx: mu (w - the round's own w) joins the gradient; both are inputs of the program. Default false. */
  readonly proximal?: boolean;
  /** SCAFFOLD: after the optimizer's own step, w -= lr (c_g - c_l), an input of the program. Default false. */
  readonly control?: boolean;
}

export type OptimizerName = keyof Options;

type Named<N extends OptimizerName> = {
  readonly [K in N]: { readonly name: K } & Options[K] & CommonOptions;
}[N];

export type OptimizerOptions = Named<OptimizerName>;

const OPTIMIZERS: { readonly [N in OptimizerName]: (options: Named<N>) => Optimizer } = {
  adagrad,
  adam,
  adamw,
  rmsprop,
  sgd,
};

const make = <N extends OptimizerName>(options: Named<N>): Optimizer =>
  OPTIMIZERS[options.name](options);

/** The update rule that the options ask for; refuses a name that isn't registered. */
export const optimizerOf = (options: OptimizerOptions): Optimizer =>
  Object.hasOwn(OPTIMIZERS, options.name)
    ? make(options)
    : refuse({
        reason: 'bad_option',
        option: 'optimizer.name',
        detail: `expected one of ${Object.keys(OPTIMIZERS).join(', ')}, got ${options.name}`,
      });

type Described = NonNullable<Manifest['optimizer']>;

/** The options as a manifest records them: nested ones under dotted names. */
export const describeOptions = ({ name, ...options }: OptimizerOptions): Described => ({
  name,
  ...flat('', options),
});

const flat = (prefix: string, options: object): Omit<Described, 'name'> =>
  Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) =>
      typeof value === 'object' && value !== null
        ? Object.entries(flat(`${prefix}${key}.`, value))
        : [[`${prefix}${key}`, value]],
    ),
  );
