import type { Tensor } from '../../tensors/tensor.ts';
import { intAttribute } from '../attribute.ts';
import { copyOf, makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** Where an element of a split begins and ends along the axis, in a form that Slice takes. */
type Range = readonly [start: number, end: number];

const END = 2 ** 31 - 1;

const numbersOf = (tensor: Tensor | undefined): readonly number[] | undefined =>
  tensor && Array.from(tensor.data, Number);

const rangeOf = (split: Tensor | undefined, at: number): Range | undefined => {
  const sizes = split === undefined ? [1] : (numbersOf(split) ?? []);
  const [size = 1] = sizes;
  if (split !== undefined && split.shape.length === 1) {
    const index = at < 0 ? at + sizes.length : at;
    const start = sizes.slice(0, index).reduce((a, b) => a + b, 0);
    return sizes[index] === undefined ? undefined : [start, start + (sizes[index] ?? 0)];
  }
  if (at >= 0) return [at * size, (at + 1) * size];
  // From the end, pieces are as long as the others only where each is of one.
  return size === 1 ? [at, at === -1 ? END : at + 1] : undefined;
};

/**
 * PyTorch's newer exporter, where it isn't told to optimize, splits into a sequence and takes tensors out of it by number.
 * Each becomes a Slice. Source: SplitToSequence-11, SequenceAt-11.
 */
export const withoutSequences = (model: Graph): Graph => {
  const splits = new Map<string, NodeProto>();
  for (const node of model.nodes) {
    if (node.opType === 'SplitToSequence') splits.set(node.output[0] ?? '', node);
  }
  if (splits.size === 0) return model;
  const constants = new Map(model.constants);
  const ints = (values: readonly number[]): string => {
    const name = `sequence/${values.join()}`;
    const data = BigInt64Array.from(values, BigInt);
    constants.set(name, { dtype: 'I64', shape: [values.length], data });
    return name;
  };
  const nodes = model.nodes.flatMap((node) => {
    const split = node.opType === 'SequenceAt' ? splits.get(node.input[0] ?? '') : undefined;
    const at = numbersOf(constants.get(node.input[1] ?? ''))?.[0];
    if (split === undefined || at === undefined) return [node];
    const [x = '', sizes = ''] = split.input;
    const range =
      sizes === '' || constants.has(sizes) ? rangeOf(constants.get(sizes), at) : undefined;
    if (range === undefined) return [node];
    const axis = intAttribute(split, 'axis', 0);
    const [output = ''] = node.output;
    // Pieces of one lose the axis with `keepdims` 0: so the runtimes do, and PyTorch's unbind relies on it.
    const single = sizes === '' || constants.get(sizes)?.data.join() === '1';
    const drops = single && intAttribute(split, 'keepdims', 1) === 0;
    const piece = drops ? `${output}/row` : output;
    const slice = makeNode('Slice', [x, ints([range[0]]), ints([range[1]]), ints([axis])], [piece]);
    const made = drops ? [slice, makeNode('Squeeze', [piece, ints([axis])], [output])] : [slice];
    return made.map((own, i) => {
      const copy = copyOf(own);
      copy.name = i === 0 ? node.name : `${node.name}/${own.opType}`;
      copy.metadataProps = node.metadataProps;
      return copy;
    });
  });
  return { ...model, nodes, constants };
};
