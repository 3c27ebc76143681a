import { xoshiro128 } from '../../client-kit/src/seed.ts';
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
  'clip-per-example': {
    type: 'string',
    value: 'N',
    help: "bound the length of each example's gradient (DP-SGD without its noise)",
  },
  'loss-graph': { type: 'string', value: 'FILE', help: 'a loss of your own, as an ONNX model' },
  trainable: {
    type: 'string',
    multiple: true,
    value: 'GLOB',
    help: 'parameters to train (all); repeatable',
  },
  frozen: {
    type: 'string',
    value: 'WHERE',
    help: 'frozen weights: input (with the parameters) or inside (in the programs)',
  },
  'lora-rank': {
    type: 'string',
    value: 'N',
    help: 'train adapters of this rank beside the weights (LoRA); only they travel',
  },
  'lora-alpha': { type: 'string', value: 'A', help: "an adapter's weight, times its rank (rank)" },
  lora: {
    type: 'string',
    multiple: true,
    value: 'GLOB',
    help: 'weights of MatMul, Gemm and Conv to adapt (all of them); repeatable',
  },
  proximal: { type: 'boolean', help: "FedProx's term; its weight is the executor's argument mu" },
  control: { type: 'boolean', help: "SCAFFOLD's control variates as inputs" },
  'no-dropout': { type: 'boolean', help: 'leave out nothing at random' },
  dimension: {
    type: 'string',
    multiple: true,
    value: 'NAME=N',
    help: 'a size for a symbolic dimension; repeatable',
  },
  'state-dict': {
    type: 'string',
    value: 'FILE',
    help: "safetensors with the parameters' original names, which exporters change",
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

const optimizerOf = (options: Options): Optimizer => {
  const momentum = options.number('momentum');
  const weightDecay = options.number('weight-decay');
  const clip = clipOf(options);
  const optimizer = namedOptions('optimizer', options.text('optimizer') ?? 'sgd', OPTIMIZERS);
  const known: readonly string[] = OPTIMIZERS[optimizer.name as Optimizer['name']];
  if (momentum !== undefined && !known.includes('momentum')) {
    throw new CommandError('usage', `option --momentum: ${optimizer.name} has none`);
  }
  // The keys are checked, and the values by the differentiator.
  return {
    ...(momentum !== undefined && { momentum }),
    ...(weightDecay !== undefined && { weightDecay }),
    ...optimizer,
    ...(clip && { clip }),
    ...(options.flag('proximal') && { proximal: true }),
    ...(options.flag('control') && { control: true }),
  } as Optimizer;
};

/** Adapters for all weights that can have one, or for those that the globs name; seeded as everything is. */
const loraOf = (options: Options): DifferentiateOptions['lora'] => {
  const rank = options.number('lora-rank', { min: 1, integer: true });
  const targets = options.texts('lora');
  if (rank === undefined) {
    if (targets.length === 0) return undefined;
    throw new CommandError('usage', 'option --lora needs --lora-rank');
  }
  const alpha = options.number('lora-alpha');
  const seed = options.number('seed', { integer: true }) ?? 0;
  return {
    rank,
    ...(alpha !== undefined && { alpha }),
    targets: targets.length > 0 ? targets : ['*'],
    rng: xoshiro128(Uint32Array.of(seed, 0x6c6f7261, rank, 1)),
  };
};

const dimensionsOf = (options: Options): Readonly<Record<string, number>> =>
  Object.fromEntries(
    options.texts('dimension').map((text) => {
      const [name = '', size] = text.split('=');
      if (name !== '' && /^\d+$/.test(size ?? '')) return [name, Number(size)];
      throw new CommandError('usage', `option --dimension: expected NAME=N, got '${text}'`);
    }),
  );

const frozenOf = (options: Options): DifferentiateOptions['frozen'] => {
  const text = options.text('frozen');
  if (text === undefined || text === 'input' || text === 'inside') return text;
  throw new CommandError('usage', `option --frozen: expected input or inside, got '${text}'`);
};

/**
 * What the options ask of the differentiator, which checks each value; files are not read. Throws CommandError on a name
 * or an option that it doesn't have.
 */
export const differentiateOptions = (options: Options): DifferentiateOptions => {
  const trainable = options.texts('trainable');
  const perExample = options.number('clip-per-example');
  const [lora, frozen] = [loraOf(options), frozenOf(options)];
  return {
    loss: namedOptions('loss', options.text('loss') ?? 'softmax-cross-entropy', LOSSES) as Loss,
    optimizer: optimizerOf(options),
    ...(trainable.length > 0 && { trainable }),
    ...(frozen && { frozen }),
    ...(lora && { lora }),
    ...(perExample !== undefined && { perExample: { clip: perExample } }),
    dropout: !options.flag('no-dropout'),
    dimensions: dimensionsOf(options),
    target: targetOf(options),
  };
};
