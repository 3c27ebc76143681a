import type { AdapterSpec } from '../../tensors/manifest.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { sizeOf } from '../../tensors/tensor.ts';
import { intAttribute, intsAttribute } from '../attribute.ts';
import { refuse } from '../fault.ts';
import { globMatches } from '../glob.ts';
import { labelOf, readsOf } from '../graph.ts';
import type { Graph } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** Low-rank adapters (LoRA, Hu et al. 2021) in place of the weights that they stand beside. */
export interface LoraOptions {
  readonly rank: number;
  /** The change of a weight is alpha / rank * B A. Default: the rank. */
  readonly alpha?: number;
  /** Globs of weights of MatMul, Gemm and Conv. */
  readonly targets: readonly string[];
  /** How A starts: uniform within 1 / sqrt(inputs) (PEFT's default), or normal with deviation 1 / rank. B starts as zeros. */
  readonly init?: 'kaiming' | 'gaussian';
  /** Uniform in [0, 1), seeded by the caller. */
  readonly rng: () => number;
}

/** A weight that gets an adapter, and how its two factors start. */
export interface Adapter {
  readonly spec: AdapterSpec;
  readonly a: Tensor;
  readonly b: Tensor;
}

/** How a node takes a weight: with its inputs first ([in, out]), or with its outputs first. */
type Layout = 'inputs first' | 'outputs first';

/**
 * The adapters that the options ask for, under PEFT's names, and in its shapes. A weight can have one if all that read it
 * are MatMul (on the right), Gemm or Conv, also by way of a Transpose. Refuses a glob that fits no such weight.
 */
export const adaptersOf = (graph: Graph, options: LoraOptions): readonly Adapter[] => {
  const { rank, alpha = rank, targets } = options;
  if (!Number.isSafeInteger(rank) || rank < 1) bad('rank', `expected a count, got ${rank}`);
  if (!Number.isFinite(alpha)) bad('alpha', `expected a number, got ${alpha}`);
  const names = [...graph.initializers.keys()];
  const layouts = new Map(names.map((name) => [name, layoutOf(graph, name)]));
  for (const glob of targets) {
    const fitting = names.filter((name) => globMatches(glob, name));
    if (fitting.some((name) => typeof layouts.get(name) === 'string')) continue;
    const why = fitting.map((name) => `${name}: ${whyNot(graph, name)}`).join('; ');
    bad('targets', `${glob} fits no weight of MatMul, Gemm or Conv${why && ` (${why})`}`);
  }
  return names.flatMap((name): Adapter[] => {
    const [layout, weight] = [layouts.get(name), graph.initializers.get(name)];
    if (layout === undefined || weight === undefined) return [];
    if (!targets.some((glob) => globMatches(glob, name))) return [];
    return [adapter(graph, name, weight, layout, { ...options, alpha })];
  });
};

const bad = (option: string, detail: string): never =>
  refuse({ reason: 'bad_option', option: `lora.${option}`, detail });

const adapter = (
  { initializers }: Graph,
  name: string,
  { shape }: Tensor,
  layout: Layout,
  { rank, alpha, init = 'kaiming', rng }: LoraOptions & { readonly alpha: number },
): Adapter => {
  const transposed = layout === 'inputs first';
  const [outputs = 1, ...inputs] = transposed ? shape.toReversed() : shape;
  const stem = name.replace(/\.weight$/, '');
  const [a, b] = [`${stem}.lora_A.weight`, `${stem}.lora_B.weight`];
  const taken = [a, b].find((own) => initializers.has(own));
  if (taken !== undefined) bad('targets', `${taken} is there already`);
  const bound = 1 / Math.sqrt(sizeOf(inputs));
  const draw = init === 'kaiming' ? () => (rng() * 2 - 1) * bound : () => normal(rng) / rank;
  const shapeA = [rank, ...inputs];
  const shapeB = [outputs, rank, ...inputs.slice(1).map(() => 1)];
  return {
    spec: { weight: name, a, b, scale: alpha / rank, transposed },
    a: { dtype: 'F32', shape: shapeA, data: Float32Array.from({ length: sizeOf(shapeA) }, draw) },
    b: { dtype: 'F32', shape: shapeB, data: new Float32Array(sizeOf(shapeB)) },
  };
};

/** Box and Muller's transform. */
const normal = (rng: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - rng())) * Math.cos(2 * Math.PI * rng());

const readersOf = ({ nodes }: Graph, name: string): readonly NodeProto[] =>
  nodes.filter((node) => readsOf(node).includes(name));

/** How all readers of a float32 weight take it; undefined where one can't have an adapter, or where they differ. */
const layoutOf = (graph: Graph, name: string): Layout | undefined => {
  if (graph.initializers.get(name)?.dtype !== 'F32') return undefined;
  const layouts = readersOf(graph, name).map((node) => layoutIn(graph, node, name));
  const [first] = layouts;
  return layouts.every((layout) => layout === first) ? first : undefined;
};

const layoutIn = (graph: Graph, node: NodeProto, name: string): Layout | undefined => {
  const rank = graph.initializers.get(name)?.shape.length ?? 0;
  const right = node.input.indexOf(name) === 1 && node.input.lastIndexOf(name) === 1;
  if (node.domain !== '') return undefined;
  if (node.opType === 'Conv' && right && rank > 2) return 'outputs first';
  if (rank !== 2) return undefined;
  if (node.opType === 'MatMul' && right) return 'inputs first';
  if (node.opType === 'Gemm' && right) {
    return intAttribute(node, 'transB', 0) === 1 ? 'outputs first' : 'inputs first';
  }
  return node.opType === 'Transpose' ? turnedLayout(graph, node) : undefined;
};

/** Of a weight that is transposed before MatMul or Gemm take it. */
const turnedLayout = (graph: Graph, node: NodeProto): Layout | undefined => {
  if ((intsAttribute(node, 'perm') ?? [1, 0]).join() !== '1,0') return undefined;
  const turned = node.output[0] ?? '';
  const [first, ...others] = readersOf(graph, turned).map((reader): Layout | undefined => {
    if (reader.domain !== '' || reader.input.indexOf(turned) !== 1) return undefined;
    if (reader.opType === 'MatMul') return 'outputs first';
    if (reader.opType !== 'Gemm') return undefined;
    return intAttribute(reader, 'transB', 0) === 1 ? 'inputs first' : 'outputs first';
  });
  return others.every((layout) => layout === first) ? first : undefined;
};

const whyNot = (graph: Graph, name: string): string => {
  const readers = readersOf(graph, name).map((node) => `${node.opType} ${labelOf(node)}`);
  return `${graph.initializers.get(name)?.dtype}, read by ${readers.join(', ') || 'nothing'}`;
};
