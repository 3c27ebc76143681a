import { backward } from '../backward.ts';
import { BATCH } from '../batch.ts';
import { decodeModel } from '../codec.ts';
import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { refuse } from '../fault.ts';
import type { Graph, Value, ValueType } from '../graph.ts';
import { opsetOf } from '../prepare.ts';
import { routeTo } from '../route.ts';
import type { Loss, LossNodes, Metric, Reduction } from './loss.ts';
import { current, spliced } from './splice.ts';
import { elements, rows, sumOf, toFloat, total } from './sums.ts';

export interface GraphLossOptions {
  /**
   * An ONNX model. Inputs with the name of one of the model's outputs (or inputs) are those; what is left are labels, a
   * row for each example. Its first output is the loss: a scalar (the batch's mean) or one for each example, or
   * pixel. Further outputs are metrics of their own name, of either kind.
   */
  readonly graph: Uint8Array;
  /** Default `mean`. */
  readonly reduction?: Reduction;
}

/** A loss written as a graph, differentiated by the rules that the model is. Weights in it are constants. */
export const graphLoss = ({ graph: bytes, reduction = 'mean' }: GraphLossOptions): Loss => {
  const loss = decodeModel(bytes);
  return {
    judges: (model) => judgedBy(loss, model),
    append: (g, judged, model) => append(g, judged, model, loss, reduction),
  };
};

const judgedBy = (loss: Graph, model: Graph): readonly string[] => {
  const names = model.outputs.map(({ name }) => name);
  const judged = names.filter((name) => loss.inputs.some((input) => input.name === name));
  return judged.length > 0
    ? judged
    : refuse({
        reason: 'loss_mismatch',
        expected: `a graph with an input named after an output of the model, ${names.join(', ')}`,
        got: `one with inputs ${loss.inputs.map(({ name }) => name).join(', ')}`,
      });
};

const append = (
  g: Emitter,
  judged: readonly string[],
  model: Graph,
  loss: Graph,
  reduction: Reduction,
): LossNodes => {
  const names = judgedBy(loss, model);
  const values = new Map([
    ...model.inputs.map(({ name }): [string, string] => [name, g.resolve(name)]),
    ...names.map((name, i): [string, string] => [name, judged[i] ?? name]),
  ]);
  const { inputs, labels } = bound(g, loss, values);
  for (const { name, ...type } of labels) values.set(name, g.input(g.fresh(name), type));
  const before = g.nodes.length;
  spliced(g, current(loss, [...inputs, ...labels], g.opset, names), values);
  const own = new Set(g.nodes.slice(before));
  const outputs = loss.outputs.map(({ name }): [string, string] => [name, values.get(name) ?? '']);
  const [[, value], ...others] = [outputs[0] ?? missing(), ...outputs.slice(1)] as const;

  const examples = sumOf(
    g,
    'examples',
    rows(g, values.get(labels[0]?.name ?? names[0] ?? '') ?? ''),
  );
  const metric = metricOf(g, 'loss', value, examples.value);
  const count = (metric.count ?? examples).value;
  const seed = seedOf(g, value, count, examples.value, reduction);
  const route = routeTo(g, [value], new Set(judged), opsetOf(loss));
  // The model may lead from one judged output to another: that way is walked once, with the model.
  const nodes = route.nodes.filter((node) => own.has(node));
  const grads = backward(g, { ...route, nodes }, new Map([[value, seed]]));
  const seeds = judged.flatMap((name): [string, string][] => {
    const grad = grads.get(name);
    return grad === undefined ? [] : [[name, grad]];
  });
  return {
    labels: labels.map(({ name, ...type }) => ({ name: values.get(name) ?? name, ...type })),
    metrics: [metric, ...others.map(([name, x]) => metricOf(g, name, x, examples.value))],
    examples,
    seeds: new Map(seeds),
  };
};

const missing = (): never =>
  refuse({ reason: 'malformed_model', detail: 'the loss graph has no output' });

/**
 * The loss's inputs with the types that they have here: values of the model, and labels. Symbols mean what they mean in
 * the values that share them; a label's first, if none does, is the batch.
 */
const bound = (
  g: Emitter,
  loss: Graph,
  known: ReadonlyMap<string, string>,
): { readonly inputs: readonly Value[]; readonly labels: readonly Value[] } => {
  const symbols = new Map<string, Dim>();
  const inputs: Value[] = [];
  for (const { name, shape } of loss.inputs) {
    const value = known.get(name);
    if (value === undefined) continue;
    const type = typeOf(g, value);
    const fits = shape.every((dim, axis) => {
      const own = type.shape[axis] ?? 0;
      if (!isStatic(dim)) symbols.set(dim, own);
      return !isStatic(dim) || !isStatic(own) || dim === own;
    });
    if (!fits || shape.length !== type.shape.length) {
      const [expected, got] = [shape, type.shape].map((dims) => `${name} ${JSON.stringify(dims)}`);
      refuse({ reason: 'loss_mismatch', expected: expected ?? '', got: got ?? '' });
    }
    inputs.push({ name, ...type });
  }
  const labels = loss.inputs
    .filter(({ name }) => !known.has(name))
    .map(({ name, dtype, shape }) => ({
      name,
      dtype,
      shape: shape.map((dim, axis) =>
        isStatic(dim) ? dim : (symbols.get(dim) ?? (axis === 0 ? BATCH : dim)),
      ),
    }));
  const other = labels.find(({ shape: [first] }) => first !== BATCH);
  if (other !== undefined) {
    refuse({
      reason: 'loss_mismatch',
      expected: 'labels of one row per example (a dynamic first dimension)',
      got: `${other.name} ${JSON.stringify(other.shape)}`,
    });
  }
  return { inputs, labels };
};

const typeOf = (g: Emitter, value: string): ValueType =>
  g.types.get(value) ?? refuse({ reason: 'unknown_shape', node: 'loss', value });

/** Whether a value is one number for the whole batch. */
const isScalar = (g: Emitter, value: string): boolean =>
  typeOf(g, value).shape.every((dim) => dim === 1);

/** What a value of the loss adds up to: a scalar is a mean over the batch, others are summed. */
const metricOf = (g: Emitter, name: string, value: string, examples: string): Metric => {
  const { dtype, shape } = typeOf(g, value);
  const float = total(g, dtype === 'F32' ? value : toFloat(g, value));
  if (isScalar(g, value)) {
    return { name, sum: sumOf(g, `${name}_sum`, g.op('Mul', [float, examples])) };
  }
  const perExample = shape.length === 1 && shape[0] === BATCH;
  return {
    name,
    sum: sumOf(g, `${name}_sum`, float),
    ...(!perExample && { count: sumOf(g, `${name}_count`, elements(g, value, examples)) }),
  };
};

/** d loss / d value, in the shape of the value. */
const seedOf = (
  g: Emitter,
  value: string,
  count: string,
  examples: string,
  reduction: Reduction,
): string => {
  const one = g.scalar(1, value);
  const by = isScalar(g, value)
    ? reduction === 'mean'
      ? one
      : examples
    : reduction === 'mean'
      ? g.op('Div', [one, count])
      : one;
  return typeOf(g, value).shape.length === 0 ? by : g.expandLike(by, value);
};
