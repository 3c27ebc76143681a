import type { Manifest, ParameterSpec, StateSpec } from '../tensors/manifest.ts';
import { allStatic } from './dim.ts';
import type { Emitter } from './emitter.ts';
import type { Graph } from './graph.ts';
import { specOf } from './losses/loss.ts';
import type { LossNodes } from './losses/loss.ts';
import { lower } from './lowering/lower.ts';
import type { Target } from './lowering/rule.ts';
import type { Optimizer } from './optimizers/optimizer.ts';
import type { OptimizerOptions } from './optimizers/registry.ts';
import { assemble } from './program.ts';
import type { Program } from './program.ts';

/** A model with its loss and gradients, before it is cut into programs. */
export interface Frame {
  readonly g: Emitter;
  readonly graph: Graph;
  readonly loss: LossNodes;
  /** d loss / d parameter, for each parameter that is learned. */
  readonly gradients: ReadonlyMap<string, string>;
}

const METRICS: Manifest['metrics'] = [
  { name: 'loss', output: 'loss_sum', kind: 'sum' },
  { name: 'accuracy', output: 'correct', kind: 'sum' },
  { name: 'examples', output: 'examples', kind: 'sum' },
];

const metricValues = ({ sum, correct, examples }: LossNodes): [string, string][] => [
  ['loss_sum', sum],
  ['correct', correct],
  ['examples', examples],
];

/** The parameters that a program reads, in the model's order. */
const parameterSpecs = (
  { graph, gradients }: Frame,
  reads: ReadonlySet<string>,
  outputOf: ReadonlyMap<string, string>,
): readonly ParameterSpec[] =>
  [...graph.initializers]
    .filter(([name]) => reads.has(name))
    .map(([name, { dtype, shape }]): ParameterSpec => {
      const output = outputOf.get(name);
      return {
        name,
        dtype,
        shape,
        role: gradients.has(name) ? 'trainable' : 'frozen',
        input: name,
        ...(output !== undefined && { output }),
      };
    });

const examplesOf = ({ graph }: Frame): Manifest['inputs']['x'] => {
  const [x] = graph.inputs;
  if (x === undefined) throw new Error('a prepared graph has an input');
  return specOf(x);
};

export const evaluateProgram = (frame: Frame): Program =>
  assemble(frame.g, frame.graph, new Map(metricValues(frame.loss)), (reads) => ({
    version: 1,
    kind: 'evaluate',
    parameters: parameterSpecs(frame, reads, new Map()),
    state: [],
    inputs: { x: examplesOf(frame), y: specOf(frame.loss.y) },
    metrics: METRICS,
  }));

export const predictProgram = (frame: Frame): Program => {
  const { g, graph } = frame;
  const outputs = new Map(graph.outputs.map(({ name }) => [name, name]));
  return assemble(g, graph, outputs, (reads) => ({
    version: 1,
    kind: 'predict',
    parameters: parameterSpecs(frame, reads, new Map()),
    state: [],
    inputs: { x: examplesOf(frame) },
    metrics: [],
    outputs: graph.outputs.flatMap(({ name }) => {
      const type = g.types.get(name);
      return type === undefined ? [] : [specOf({ name, ...type })];
    }),
  }));
};

export const trainProgram = (
  frame: Frame,
  optimizer: Optimizer,
  options: OptimizerOptions,
  target: Target,
): Program => {
  const { g, graph, loss } = frame;
  const lr = g.input(g.fresh('lr'), { dtype: 'F32', shape: [] });
  const outputs = new Map(metricValues(loss));
  const outputOf = new Map<string, string>();
  const state: StateSpec[] = [];
  for (const [parameter, gradient] of frame.gradients) {
    const type = graph.initializers.get(parameter);
    if (type === undefined || !allStatic(type.shape)) continue;
    const slots = Object.fromEntries(
      optimizer.slots.map((slot) => [slot, g.input(g.fresh(`${slot}/${parameter}`), type)]),
    );
    const next = optimizer.step(g, { parameter, gradient, lr, state: slots });
    const output = g.fresh(`next/${parameter}`);
    outputOf.set(parameter, output);
    outputs.set(output, next.parameter);
    for (const [slot, input] of Object.entries(slots)) {
      const stateOutput = g.fresh(`next/${slot}/${parameter}`);
      state.push({
        name: `${slot}/${parameter}`,
        dtype: type.dtype,
        shape: type.shape,
        input,
        output: stateOutput,
      });
      outputs.set(stateOutput, next.state[slot] ?? input);
    }
  }
  return assemble(lower(g, target), graph, outputs, (reads) => ({
    version: 1,
    kind: 'train',
    parameters: parameterSpecs(frame, reads, outputOf),
    state,
    inputs: {
      x: examplesOf(frame),
      y: specOf(loss.y),
      lr: { input: lr, dtype: 'F32', shape: [] },
    },
    metrics: METRICS,
    optimizer: { ...options },
  }));
};
