/** Runs a loss on its own: what it says of given outputs and labels. */
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { BATCH } from '../batch.ts';
import { encodeModel } from '../codec.ts';
import { Emitter } from '../emitter.ts';
import type { Graph } from '../graph.ts';
import { lower } from '../lowering/lower.ts';
import type { Target } from '../lowering/rule.ts';
import { f32, open, scalarOf, seeded } from '../runtime.suite.ts';
import { lossOf } from './registry.ts';
import type { LossOptions } from './registry.ts';

/** A model that answers its inputs. */
const answering = (outputs: Tensors): Graph => ({
  name: 'model',
  irVersion: 8,
  opsets: new Map([['', 17]]),
  inputs: [],
  outputs: [...outputs.keys()].map((name) => ({ name })),
  nodes: [],
  initializers: new Map(),
  constants: new Map(),
  hints: new Map(),
  metadata: new Map(),
});

export interface Judgement {
  /** sum and count, by metric */
  readonly metrics: ReadonlyMap<string, readonly [sum: number, count: number]>;
  readonly gradients: Tensors;
  readonly examples: number;
  /** Kinds of the operators that the loss consists of. */
  readonly operators: readonly string[];
}

/** The loss of a model's outputs; the first dimension is the batch. */
export const judge = async (
  options: LossOptions,
  outputs: Tensors,
  labels?: Tensor,
  target: Target = 'wasm',
): Promise<Judgement> => {
  const g = new Emitter(17);
  const model = answering(outputs);
  for (const [name, { dtype, shape }] of outputs) {
    g.input(name, { dtype, shape: [BATCH, ...shape.slice(1)] });
  }
  const loss = lossOf(options);
  const made = loss.append(g, loss.judges(model), model);
  const lowered = lower(g, target);
  const sums = new Map(
    [...made.metrics.flatMap(({ sum, count }) => [sum, count ?? sum]), made.examples].map(
      ({ output, value }) => [output, lowered.resolve(value)],
    ),
  );
  const inputs = [...outputs].map(([name, { dtype }]) => ({
    name,
    dtype,
    shape: g.types.get(name)?.shape ?? [],
  }));
  const session = await open(
    encodeModel({
      ...model,
      inputs: [...inputs, ...made.labels],
      outputs: [
        ...new Set([...sums.values(), ...[...made.seeds.values()].map((x) => lowered.resolve(x))]),
      ].map((name) => ({ name })),
      nodes: lowered.nodes,
      constants: lowered.constants,
    }),
  );
  const [y] = made.labels;
  const out = await session.run(
    new Map([...outputs, ...(y && labels ? [[y.name, labels] as const] : [])]),
  );
  await session.release();
  const examples = scalarOf(out, lowered.resolve(made.examples.value));
  return {
    examples,
    metrics: new Map(
      made.metrics.map(({ name, sum, count }) => [
        name,
        [
          scalarOf(out, lowered.resolve(sum.value)),
          count ? scalarOf(out, lowered.resolve(count.value)) : examples,
        ],
      ]),
    ),
    gradients: new Map(
      [...made.seeds].flatMap(([name, value]): [string, Tensor][] => {
        const tensor = out.get(lowered.resolve(value));
        return tensor === undefined ? [] : [[name, tensor]];
      }),
    ),
    operators: lowered.nodes.map(({ opType }) => opType),
  };
};

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Uniform random numbers. */
export const uniform = (shape: readonly number[], seed: number, low = -3, high = 3): Tensor => {
  const rng = seeded(seed);
  return f32(
    shape,
    Array.from({ length: sizeOf(shape) }, () => low + rng() * (high - low)),
  );
};

export const values = ({ data }: Tensor): number[] => Array.from(data as Float32Array, Number);
