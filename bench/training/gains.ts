// `node bench/training/gains.ts [model ...]`: what each lowering for WASM is worth. For each, the train step with it and the
// one without it take steps in turn, in one process on one thread; ratios are of the lower quartiles, which other work on
// the machine disturbs least.
import * as ort from 'onnxruntime-web';
import type { Emitter } from '../../core/onnx/emitter.ts';
import { firstMaximumByNumber } from '../../core/onnx/lowering/first-maximum.ts';
import { logSoftmax } from '../../core/onnx/lowering/in-parts.ts';
import { maxPoolScatter } from '../../core/onnx/lowering/max-pool-scatter.ts';
import { LOWERINGS, REWRITES } from '../../core/onnx/lowering/registry.ts';
import { reluByChoice } from '../../core/onnx/lowering/relu-gradient.ts';
import { rowsByCounting } from '../../core/onnx/lowering/rows.ts';
import type { Lowering } from '../../core/onnx/lowering/rule.ts';
import { windowOf } from '../../core/onnx/window.ts';
import { machine, table } from '../machine.ts';
import { batchOf } from './batches.ts';
import type { ModelName } from './models.ts';
import { programsOf, stepper } from './ours.ts';
import type { Step } from './round.ts';

const swapped = (g: Emitter, x: string): string => {
  const rank = g.types.get(x)?.shape.length ?? 0;
  const perm = Array.from({ length: rank }, (_, axis) => (axis < 2 ? 1 - axis : axis));
  return g.op('Transpose', [x], { perm });
};

/** The textbook's weight gradient of a convolution (one group): channels and examples exchanged, the overhang cut off. */
const textbook: Lowering = (n, g) => {
  const w = windowOf(n, n.ints('kernel_shape') ?? []);
  const found = g.op('Conv', [swapped(g, n.in(0)), swapped(g, n.in(1))], {
    strides: w.dilations,
    dilations: w.strides,
    pads: [...w.padsBegin, ...w.padsEnd],
  });
  const cut = [w.kernel.map(() => 0), w.kernel, w.kernel.map((_, axis) => axis + 2)];
  return swapped(g, g.op('Slice', [found, ...cut.map((list) => g.ints(list))]));
};

/** A registry as it may be changed for a while. */
type Forms = Record<string, Partial<Record<'wasm', unknown>> | undefined>;
const lowerings = LOWERINGS as unknown as Forms;
const rewrites = REWRITES as unknown as Forms;

interface Gain {
  readonly what: string;
  readonly models: readonly ModelName[];
  /** Operators and what stands for them without the gain; undefined: as they are. */
  readonly without: readonly (readonly [Forms, string, unknown])[];
}

const GAINS: readonly Gain[] = [
  {
    what: "convolutions' weight gradients as one wide product",
    models: ['cnn', 'resnet18'],
    without: [[lowerings, 'ConvWeightGrad', textbook]],
  },
  {
    what: 'convolutions of few cells with their examples side by side',
    models: ['resnet18'],
    without: [
      [rewrites, 'Conv', undefined],
      [rewrites, 'ConvTranspose', undefined],
    ],
  },
  {
    what: "MaxPool's gradient without indices",
    models: ['cnn'],
    without: [[lowerings, 'MaxPoolGrad', maxPoolScatter]],
  },
  {
    what: "ReLU's gradient by sign",
    models: ['mlp', 'cnn', 'resnet18'],
    without: [[lowerings, 'ReluGrad', reluByChoice]],
  },
  {
    what: 'ReLU by Max',
    models: ['mlp', 'resnet18'],
    without: [[rewrites, 'Relu', undefined]],
  },
  {
    what: 'LayerNormalization in parts',
    models: ['gpt'],
    without: [[rewrites, 'LayerNormalization', undefined]],
  },
  {
    what: 'updates inside the products of their gradients',
    models: ['mlp'],
    without: [
      [rewrites, 'Add', undefined],
      [rewrites, 'Sub', undefined],
    ],
  },
  {
    what: 'loss and accuracy in fewer nodes',
    models: ['mlp', 'gpt'],
    without: [
      [rewrites, 'LogSoftmax', logSoftmax],
      [lowerings, 'FirstMaximum', firstMaximumByNumber],
      [lowerings, 'Rows', rowsByCounting],
    ],
  },
];
const ALL: Gain = {
  what: 'all of these',
  models: ['mlp', 'cnn', 'resnet18', 'gpt'],
  without: GAINS.flatMap(({ without }) => without),
};

const BATCH = 32;
/** Steps to warm up, rounds, steps of a round. */
const PLAN: Readonly<Partial<Record<ModelName, readonly [number, number, number]>>> = {
  mlp: [300, 20, 60],
  cnn: [5, 10, 5],
  resnet18: [1, 6, 1],
  gpt: [1, 8, 1],
};

const made = (model: ModelName): Promise<Step> =>
  stepper(ort, programsOf(model, 'wasm'), batchOf(model, BATCH), {});

const madeWithout = async (model: ModelName, { without }: Gain): Promise<Step> => {
  const before = without.map(([forms, op]) => forms[op]);
  for (const [forms, op, form] of without) forms[op] = { ...forms[op], wasm: form };
  const step = await made(model);
  without.forEach(([forms, op], i) => (forms[op] = before[i]));
  return step;
};

const quartile = (sample: readonly number[]): number =>
  sample.toSorted((a, b) => a - b)[sample.length >> 2] ?? NaN;

const compared = async (model: ModelName, gain: Gain): Promise<readonly number[]> => {
  const steps = [await made(model), await madeWithout(model, gain)];
  const times: number[][] = [[], []];
  const [warm, rounds, count] = PLAN[model] ?? [1, 4, 1];
  for (const step of steps) for (let i = 0; i < warm; i++) await step();
  for (let round = 0; round < rounds; round++) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      for (let i = 0; i < count; i++) {
        const before = performance.now();
        await steps[side]?.();
        times[side]?.push(performance.now() - before);
      }
    }
  }
  return times.map(quartile);
};

ort.env.wasm.numThreads = 1;
const asked = process.argv.slice(2);
const rows: string[][] = [['without / with', 'model', 'without, ms', 'with, ms', 'gain']];
for (const gain of [...GAINS, ALL]) {
  for (const model of gain.models.filter((name) => asked.length === 0 || asked.includes(name))) {
    const [ours = NaN, without = NaN] = await compared(model, gain);
    rows.push([
      gain.what,
      model,
      without.toPrecision(3),
      ours.toPrecision(3),
      `${(without / ours).toFixed(2)}x`,
    ]);
  }
}
console.log(machine('onnxruntime-web'));
console.log(`batch ${BATCH}, one thread`);
console.log(table(rows));
