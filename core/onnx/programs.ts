import type { Manifest, ParameterSpec } from '../tensors/manifest.ts';
import type { Emitter } from './emitter.ts';
import type { Graph } from './graph.ts';
import { specOf } from './losses/loss.ts';
import type { LossNodes } from './losses/loss.ts';
import { lower } from './lowering/lower.ts';
import type { Target } from './lowering/rule.ts';
import { describeOptions } from './optimizers/registry.ts';
import type { OptimizerOptions } from './optimizers/registry.ts';
import { update } from './optimizers/update.ts';
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

/** The labels, where the loss has any. */
const labelsOf = ({ labels: [y] }: LossNodes): Pick<Manifest['inputs'], 'y'> =>
  y === undefined ? {} : { y: specOf(y) };

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
    inputs: { x: examplesOf(frame), ...labelsOf(frame.loss) },
    metrics: metricSpecs(frame.loss),
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

export const trainProgram = (frame: Frame, options: OptimizerOptions, target: Target): Program => {
  const { g, graph, loss } = frame;
  const updated = update(g, frame.gradients, options);
  const outputOf = new Map(
    [...updated.next.keys()].map((parameter) => [parameter, g.fresh(`next/${parameter}`)]),
  );
  const outputs = new Map([
    ...metricValues(loss),
    ...[...updated.next].map(([parameter, value]): [string, string] => [
      outputOf.get(parameter) ?? '',
      value,
    ]),
    ...updated.state.map(({ spec, next }): [string, string] => [spec.output, next]),
  ]);
  return assemble(lower(g, target), graph, outputs, (reads) => ({
    version: 1,
    kind: 'train',
    parameters: parameterSpecs(frame, reads, outputOf),
    state: updated.state.map(({ spec }) => spec),
    inputs: { x: examplesOf(frame), ...labelsOf(loss), ...updated.inputs },
    ...(updated.terms.length > 0 && { terms: updated.terms }),
    metrics: metricSpecs(loss),
    optimizer: describeOptions(options),
  }));
};
