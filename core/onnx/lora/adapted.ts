import type { AdapterSpec } from '../../tensors/manifest.ts';
import { float, intAttribute } from '../attribute.ts';
import { Emitter } from '../emitter.ts';
import { copyOf, makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import { opsetOf } from '../prepare.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import type { Adapter } from './adapter.ts';

/** Writes what stands for one node. */
type Write = (g: Emitter, node: NodeProto) => void;

/** The graph with the adapters among its weights, and each node as `write` puts it. */
const rewritten = (graph: Graph, adapters: readonly Adapter[], write: Write): Graph => {
  const factors = adapters.flatMap(({ spec, a, b }) => [
    [spec.a, a] as const,
    [spec.b, b] as const,
  ]);
  const initializers = new Map([...graph.initializers, ...factors]);
  const g = Emitter.of({ ...graph, initializers }, opsetOf(graph), (on, original) =>
    write(on, copyOf(original)),
  );
  return { ...graph, initializers, nodes: g.nodes, constants: g.constants };
};

/**
 * For training: y + scale * B (A x) beside each node, so that no gradient of a whole weight is ever computed. A grouped
 * convolution, whose factors don't split into groups, takes the changed weight instead.
 */
export const withBranches = (graph: Graph, adapters: readonly Adapter[]): Graph => {
  const specs = new Map(adapters.map(({ spec }) => [spec.weight, spec]));
  const turned = new Map<string, AdapterSpec>();
  return rewritten(graph, adapters, (g, node) => {
    const [from = '', weight = ''] = node.input;
    const [output = ''] = node.output;
    const own = node.opType === 'Transpose' ? specs.get(from) : undefined;
    if (own !== undefined) turned.set(output, own);
    const spec = specs.get(weight) ?? turned.get(weight);
    if (spec === undefined) return g.add(node, graph.hints);
    if (node.opType === 'Conv' && intAttribute(node, 'group', 1) !== 1) {
      node.input[1] = changed(g, spec);
      return g.add(node, graph.hints);
    }
    node.output = [g.fresh(`${output}/frozen`)];
    g.add(node, graph.hints);
    g.add(branch(g, new NodeView(node, g), spec, output));
  });
};

/** The nodes from x to `output`, the sum of the frozen layer's output and the adapter's. */
const branch = (
  g: Emitter,
  n: NodeView,
  { a, b, scale }: AdapterSpec,
  output: string,
): NodeProto => {
  const [x, y] = [n.in(0), n.out(0)];
  const scaled = (low: string): string => g.op('Mul', [low, g.scalar(scale, low)]);
  if (n.proto.opType === 'Conv') {
    const low = g.op('Conv', [x, a], windowOf(n));
    return makeNode('Add', [y, g.op('Conv', [scaled(low), b])], [output]);
  }
  if (n.proto.opType === 'Gemm') {
    const alpha = float(scale * n.float('alpha', 1));
    const low = g.op('Gemm', [x, a], { alpha, transA: n.int('transA', 0), transB: 1 });
    return makeNode('Gemm', [low, b, y], [output], { transB: 1 });
  }
  const low = g.op('MatMul', [x, g.op('Transpose', [a], { perm: [1, 0] })]);
  const high = g.op('MatMul', [scaled(low), g.op('Transpose', [b], { perm: [1, 0] })]);
  return makeNode('Add', [y, high], [output]);
};

/** How the convolution's window moves; A slides over x as the weight does. */
const windowOf = (n: NodeView) => {
  const lists = ['strides', 'pads', 'dilations'].flatMap((name) => {
    const values = n.ints(name);
    return values === undefined ? [] : [[name, values] as const];
  });
  return { ...Object.fromEntries(lists), auto_pad: n.text('auto_pad', 'NOTSET') };
};

/** weight + scale * B A, in the weight's own layout. */
const changed = (g: Emitter, { weight, a, b, scale, transposed }: AdapterSpec): string => {
  const shape = g.types.get(weight)?.shape ?? [];
  const flat = (x: string): string => (shape.length > 2 ? g.op('Flatten', [x], { axis: 1 }) : x);
  const product = g.op('MatMul', [flat(b), flat(a)]);
  const turned = transposed ? g.op('Transpose', [product], { perm: [1, 0] }) : product;
  const change = shape.length > 2 ? g.reshape(turned, shape) : turned;
  return g.op('Add', [weight, g.op('Mul', [change, g.scalar(scale, change)])]);
};

/** For everything else: the same nodes on changed weights. The specs say where those are, so that they can be put in. */
export const withChangedWeights = (
  graph: Graph,
  adapters: readonly Adapter[],
): { readonly graph: Graph; readonly specs: readonly AdapterSpec[] } => {
  const specs = new Map(adapters.map(({ spec }) => [spec.weight, spec]));
  const made = new Map<string, string>();
  const valueOf = (g: Emitter, name: string): string => {
    const spec = specs.get(name);
    if (spec === undefined) return name;
    const before = made.get(name);
    if (before !== undefined) return before;
    const value = g.named(`${name}/changed`, changed(g, spec));
    made.set(name, value);
    return value;
  };
  const written = rewritten(graph, adapters, (g, node) => {
    node.input = node.input.map((name) => valueOf(g, name));
    g.add(node, graph.hints);
  });
  return {
    graph: written,
    specs: [...specs.values()].map((spec) => ({ ...spec, changed: made.get(spec.weight) ?? '' })),
  };
};
