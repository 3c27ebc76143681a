import type { AdapterSpec, Manifest, ParameterSpec, ProgramInputs } from '../tensors/manifest.ts';
import type { Emitter } from './emitter.ts';
import type { Graph } from './graph.ts';
import { specOf } from './losses/loss.ts';
import type { LossNodes } from './losses/loss.ts';
import { lower } from './lowering/lower.ts';
import type { Target } from './lowering/rule.ts';
import { describeOptions } from './optimizers/registry.ts';
import type { OptimizerOptions } from './optimizers/registry.ts';
import { update } from './optimizers/update.ts';
import type { Clipped } from './per-example/gradients.ts';
import { assemble } from './program.ts';
import type { Program } from './program.ts';
import type { Roles } from './roles.ts';
import type { TrainGraph } from './training/train-graph.ts';

/** A model with its loss, before it is cut into programs. */
export interface Frame {
  readonly g: Emitter;
  readonly graph: Graph;
  readonly roles: Roles;
  readonly adapters: readonly AdapterSpec[];
  readonly loss: LossNodes;
}

/** The same in its training form, with gradients. */
export interface TrainFrame extends Frame {
  readonly training: TrainGraph;
  /** What the optimizer takes for d loss / d parameter, for each parameter that is learned. */
  readonly gradients: ReadonlyMap<string, string>;
  readonly target: Target;
  readonly clipped?: Clipped;
}

const metricSpecs = ({ metrics, examples }: LossNodes): Manifest['metrics'] => [
  ...metrics.map(({ name, sum, count }): Manifest['metrics'][number] => ({
    name,
    output: sum.output,
    kind: 'sum',
    ...(count && { count: count.output }),
  })),
  { name: 'examples', output: examples.output, kind: 'sum' },
];

const metricValues = ({ metrics, examples }: LossNodes): [string, string][] =>
  [...metrics.flatMap(({ sum, count }) => (count ? [sum, count] : [sum])), examples].map(
    ({ output, value }) => [output, value],
  );

/** The batch: the model's inputs, and the labels where the program judges. */
const batchOf = (
  { graph }: Frame,
  reads: ReadonlySet<string>,
  labels: LossNodes['labels'] = [],
): ProgramInputs => {
  const [x, ...others] = graph.inputs;
  if (x === undefined) throw new Error('a prepared graph has an input');
  const [y, ...further] = labels;
  const more = [...others.filter(({ name }) => reads.has(name)), ...further].map(specOf);
  return {
    x: specOf(x),
    ...(more.length > 0 && { more }),
    ...(y !== undefined && { y: specOf(y) }),
  };
};

/** The parameters that a program reads, in the model's order; `made` names what it gives back of each. */
const parameterSpecs = (
  { graph, roles: { trainable, buffers, inside } }: Frame,
  reads: ReadonlySet<string>,
  made: ReadonlyMap<string, Pick<ParameterSpec, 'output' | 'gradient'>> = new Map(),
): readonly ParameterSpec[] =>
  [...graph.initializers]
    .filter(([name]) => reads.has(name) && !inside.has(name))
    .map(([name, { dtype, shape }]) => ({
      name,
      dtype,
      shape,
      role: trainable.has(name) ? 'trainable' : buffers.has(name) ? 'buffer' : 'frozen',
      input: name,
      ...made.get(name),
    }));

const adaptersOf = ({ adapters }: Frame): Pick<Manifest, 'adapters'> =>
  adapters.length === 0 ? {} : { adapters };

export const evaluateProgram = (frame: Frame, target: Target): Program =>
  assemble(lower(frame.g, target), frame.graph, new Map(metricValues(frame.loss)), (reads) => ({
    version: 1,
    kind: 'evaluate',
    parameters: parameterSpecs(frame, reads),
    state: [],
    inputs: batchOf(frame, reads, frame.loss.labels),
    metrics: metricSpecs(frame.loss),
    ...adaptersOf(frame),
  }));

/** In the model's own operators, except where WebGPU has no kernel for one, or a wrong one. */
export const predictProgram = (frame: Frame, target: Target): Program => {
  const { graph } = frame;
  const g = target === 'webgpu' ? lower(frame.g, target) : frame.g;
  const outputs = new Map(graph.outputs.map(({ name }) => [name, name]));
  return assemble(g, graph, outputs, (reads) => ({
    version: 1,
    kind: 'predict',
    parameters: parameterSpecs(frame, reads),
    state: [],
    inputs: batchOf(frame, reads),
    metrics: [],
    ...adaptersOf(frame),
    outputs: graph.outputs.flatMap(({ name }) => {
      const type = g.types.get(g.resolve(name));
      return type === undefined ? [] : [specOf({ name, ...type })];
    }),
  }));
};

/** What a program gives back of a parameter: a graph output, and the value that it holds. */
interface Given {
  readonly name: string;
  readonly output: string;
  readonly value: string;
}

const given = (g: Emitter, as: string, values: ReadonlyMap<string, string>): readonly Given[] =>
  [...values].map(([name, value]) => ({ name, output: g.fresh(`${as}/${name}`), value }));

/** The train step, and the program that stops at the gradients. Both update running statistics. */
export const trainPrograms = (
  frame: TrainFrame,
  options: OptimizerOptions,
): { readonly train: Program; readonly gradients: Program } => {
  const { g, graph, loss, training, target, clipped } = frame;
  const updated = update(g, frame.gradients, options, training.inputs.step?.input);
  const moved = given(g, 'next', training.buffers);
  const next = given(g, 'next', updated.next);
  const slopes = given(g, 'gradient', clipped?.sums ?? frame.gradients);
  const lowered = lower(g, target);
  const outputs = (...more: readonly Pick<Given, 'output' | 'value'>[]): Map<string, string> =>
    new Map([
      ...metricValues(loss),
      ...[...moved, ...more].map(({ output, value }): [string, string] => [output, value]),
    ]);
  const made = (more: readonly Given[], as: 'output' | 'gradient') =>
    new Map([
      ...moved.map(({ name, output }) => [name, { output }] as const),
      ...more.map(({ name, output }) => [name, { [as]: output }] as const),
    ]);
  const inputs = (reads: ReadonlySet<string>): ProgramInputs => ({
    ...batchOf(frame, reads, loss.labels),
    ...Object.fromEntries(
      Object.entries(training.inputs).filter(([, { input }]) => reads.has(input)),
    ),
  });
  const common = {
    version: 1,
    target,
    metrics: metricSpecs(loss),
    ...(clipped && { clip: clipped.clip }),
    ...adaptersOf(frame),
  } as const;
  const terms = [...updated.terms, ...(clipped?.noise ?? [])];
  const state = updated.state.map(({ spec: { output }, next: value }) => ({ output, value }));
  return {
    train: assemble(lowered, graph, outputs(...next, ...state), (reads) => ({
      ...common,
      kind: 'train',
      // All of them: a site gives back the tensors that its train program knows, read or not.
      parameters: parameterSpecs(frame, new Set(graph.initializers.keys()), made(next, 'output')),
      state: updated.state.map(({ spec }) => spec),
      inputs: { ...inputs(reads), ...updated.inputs },
      ...(terms.length > 0 && { terms }),
      optimizer: describeOptions(options),
    })),
    gradients: assemble(lowered, graph, outputs(...slopes), (reads) => ({
      ...common,
      kind: 'gradients',
      parameters: parameterSpecs(frame, reads, made(slopes, 'gradient')),
      state: [],
      inputs: inputs(reads),
    })),
  };
};
