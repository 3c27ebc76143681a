import { differentiate } from '../../core/onnx/index.ts';
import type { DifferentiateOptions } from '../../core/onnx/index.ts';
import { TARGETS } from '../../core/onnx/lowering/rule.ts';
import type { Target } from '../../core/onnx/lowering/rule.ts';
import type { OptionSpec } from './command.ts';
import { CommandError } from './exit-code.ts';
import { namedOptions } from './named-options.ts';
import type { Options } from './options.ts';

type Loss = DifferentiateOptions['loss'];
type Optimizer = DifferentiateOptions['optimizer'];
/** Names of a union of named options, each with its keys. */
type Keys<T extends { readonly name: string }, Common extends string = never> = {
  readonly [N in T['name']]: readonly Exclude<
    keyof Extract<T, { readonly name: N }>,
    'name' | Common
  >[];
};

/** What `--loss` takes; numbers of a list with slashes between them. */
const LOSSES: Keys<Extract<Loss, { readonly name: string }>> = {
  'softmax-cross-entropy': [
    'labels',
    'labelSmoothing',
    'axis',
    'classWeights',
    'ignoreIndex',
    'output',
    'reduction',
  ],
  nll: ['axis', 'classWeights', 'ignoreIndex', 'output', 'reduction'],
  'bce-with-logits': ['posWeight', 'output', 'reduction'],
  mse: ['output', 'reduction'],
  mae: ['output', 'reduction'],
  huber: ['delta', 'output', 'reduction'],
  'smooth-l1': ['beta', 'output', 'reduction'],
  kl: ['logTarget', 'over', 'output', 'reduction'],
  cosine: ['axis', 'eps', 'output', 'reduction'],
};

/** What `--optimizer` takes; clipping and terms have options of their own. */
const OPTIMIZERS: Keys<Optimizer, 'clip' | 'proximal' | 'control'> = {
  sgd: ['momentum', 'nesterov', 'weightDecay'],
  adam: ['betas', 'eps', 'weightDecay', 'amsgrad'],
  adamw: ['betas', 'eps', 'weightDecay', 'amsgrad'],
  adagrad: ['lrDecay', 'weightDecay', 'eps'],
  rmsprop: ['alpha', 'eps', 'weightDecay', 'momentum', 'centered'],
};

/** Options of every command that differentiates a model. */
export const TRAINING_OPTIONS = {
  loss: {
    type: 'string',
    value: 'NAME[:OPTION=VALUE,...]',
    help: `${Object.keys(LOSSES).join(', ')} (the first)`,
  },
  optimizer: {
    type: 'string',
    value: 'NAME[:OPTION=VALUE,...]',
    help: `${Object.keys(OPTIMIZERS).join(', ')} (sgd)`,
  },
  momentum: { type: 'string', value: 'M', help: "the optimizer's momentum (0)" },
  'weight-decay': { type: 'string', value: 'W', help: "the optimizer's weight decay (its own)" },
  'clip-norm': { type: 'string', value: 'N', help: 'bound the length of all gradients together' },
  'clip-value': { type: 'string', value: 'V', help: "bound each gradient's elements" },
  trainable: {
    type: 'string',
    multiple: true,
    value: 'GLOB',
    help: 'parameters to train (all); repeatable',
  },
  target: {
    type: 'string',
    value: 'NAME',
    help: `${TARGETS.join(', ')}: where it will run (wasm)`,
  },
} as const satisfies Record<string, OptionSpec>;

const targetOf = (options: Options): Target => {
  const name = options.text('target') ?? 'wasm';
  const target = TARGETS.find((each) => each === name);
  if (target) return target;
  const expected = `one of ${TARGETS.join(', ')}`;
  throw new CommandError('usage', `option --target: expected ${expected}, got '${name}'`);
};

const clipOf = (options: Options): Optimizer['clip'] => {
  const norm = options.number('clip-norm');
  const value = options.number('clip-value');
  if (norm !== undefined && value !== undefined) {
    throw new CommandError('usage', 'options --clip-norm and --clip-value: expected one of them');
  }
  if (norm !== undefined) return { norm };
  return value === undefined ? undefined : { value };
};

/**
 * What the options ask of the differentiator, which checks each value. Throws CommandError on a name or an option that it
 * doesn't have.
 */
const differentiateOptions = (options: Options): DifferentiateOptions => {
  const momentum = options.number('momentum');
  const weightDecay = options.number('weight-decay');
  const clip = clipOf(options);
  const trainable = options.texts('trainable');
  const loss = namedOptions('loss', options.text('loss') ?? 'softmax-cross-entropy', LOSSES);
  const optimizer = namedOptions('optimizer', options.text('optimizer') ?? 'sgd', OPTIMIZERS);
  const has = (key: string): boolean =>
    (OPTIMIZERS[optimizer.name as Optimizer['name']] as readonly string[]).includes(key);
  if (momentum !== undefined && !has('momentum')) {
    throw new CommandError('usage', `option --momentum: ${optimizer.name} has none`);
  }
  return {
    // The keys are checked above, and the values by the differentiator.
    loss: loss as Exclude<Loss, string>,
    optimizer: {
      ...(momentum !== undefined && { momentum }),
      ...(weightDecay !== undefined && { weightDecay }),
      ...optimizer,
      ...(clip && { clip }),
    } as Optimizer,
    ...(trainable.length > 0 && { trainable }),
    target: targetOf(options),
  };
};

/** Differentiates a model as the options say; gives the fault instead of throwing, for `inspect`. */
export const programsFor = (
  bytes: Uint8Array,
  options: Options,
): ReturnType<typeof differentiate> => differentiate(bytes, differentiateOptions(options));
