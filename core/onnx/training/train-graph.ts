import type { InputSpec, ProgramInputs } from '../../tensors/manifest.ts';
import { Emitter } from '../emitter.ts';
import { copyOf, makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import { keyOf, stepKey } from './random.ts';
import { TRAINING_FORMS } from './registry.ts';

/** A forward graph as it is when the model trains. */
export interface TrainGraph {
  readonly g: Emitter;
  /** The value that each updated running statistic has after the step, by parameter. */
  readonly buffers: ReadonlyMap<string, string>;
  /** `seed` and `step`, where a mask is drawn. */
  readonly inputs: Pick<ProgramInputs, 'seed' | 'step'>;
}

/** Names of the parameters that are running statistics of a BatchNormalization. They are never learned. */
export const statisticsOf = ({ nodes, initializers }: Graph): ReadonlySet<string> =>
  new Set(
    nodes
      .filter(({ domain, opType }) => domain === '' && opType === 'BatchNormalization')
      .flatMap(({ input }) => input.slice(3, 5))
      .filter((name) => initializers.get(name)?.dtype === 'F32'),
  );

/**
 * Writes each node in its training form: the batch's own statistics for those BatchNormalizations whose running
 * statistics are in `updated`, masks for Dropout where it `drops`.
 */
export const trainGraph = (
  graph: Graph,
  opset: number,
  { updated, drops }: { readonly updated: ReadonlySet<string>; readonly drops: boolean },
): TrainGraph => {
  const buffers = new Map<string, string>();
  const inputs: { seed?: InputSpec; step?: InputSpec } = {};
  const ends = new Set(graph.outputs.map(({ name }) => name));
  let step: string | undefined;
  let drawn = 0;
  const declared = (g: Emitter, name: 'seed' | 'step', dtype: 'I32' | 'F32'): string => {
    inputs[name] = { input: g.input(g.fresh(name), { dtype, shape: [] }), dtype, shape: [] };
    return inputs[name].input;
  };
  const key = (g: Emitter) => {
    step ??= stepKey(
      g,
      declared(g, 'seed', 'I32'),
      g.op('Cast', [declared(g, 'step', 'F32')], { to: 6 }),
    );
    return keyOf(g, step, drawn++);
  };
  const g = Emitter.of(graph, opset, (on, original) => {
    const node = copyOf(original); // the other programs keep it as it is
    node.input = node.input.map((name) => on.resolve(name));
    const form = node.domain === '' ? TRAINING_FORMS[node.opType] : undefined;
    const outputs = form?.(new NodeView(node, on), on, {
      updates: (statistic) => updated.has(statistic),
      running: (statistic) => buffers.get(statistic) ?? statistic,
      update: (statistic, next) => buffers.set(statistic, next),
      drops,
      key: () => key(on),
    });
    if (outputs === undefined) return on.add(node, graph.hints);
    node.output.forEach((name, i) => {
      const value = outputs[i] ?? name;
      // A loss may know the model's outputs by name.
      if (ends.has(name)) on.add(makeNode('Identity', [value], [name]));
      else on.alias(name, value);
    });
  });
  return { g, buffers, inputs };
};
