import { DTYPES } from '../../tensors/dtype.ts';
import type { Dtype } from '../../tensors/dtype.ts';
import type { Tensor } from '../../tensors/tensor.ts';
import { intAttribute } from '../attribute.ts';
import { dtypeOf } from '../element-type.ts';
import type { Graph } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** What a node on constants comes to; undefined where it is left to the runtime. */
type Fold = (node: NodeProto, inputs: readonly Tensor[]) => Tensor | undefined;

/** Lists end to end. */
const concat: Fold = (_, inputs) => {
  const [first] = inputs;
  if (
    first === undefined ||
    !inputs.every(({ dtype, shape }) => dtype === first.dtype && shape.length === 1)
  ) {
    return undefined;
  }
  const length = inputs.reduce((sum, { data }) => sum + data.length, 0);
  const data = new DTYPES[first.dtype].array(length);
  let at = 0;
  for (const input of inputs) for (const value of input.data) data[at++] = value;
  return { dtype: first.dtype, shape: [length], data };
};

const PLAIN: readonly (Dtype | undefined)[] = ['F32', 'F64', 'I32', 'I64'];

/** Between numbers that JavaScript holds as they are. */
const cast = (input: Tensor | undefined, dtype: Dtype | undefined): Tensor | undefined => {
  if (input === undefined || dtype === undefined) return undefined;
  if (input.dtype === dtype) return input;
  if (!PLAIN.includes(dtype) || !PLAIN.includes(input.dtype)) return undefined;
  const whole = Array.from(input.data, Number).map(Math.trunc);
  if (!whole.every(Number.isSafeInteger)) return undefined;
  const data = new DTYPES[dtype].array(input.data.length);
  for (const [i, value] of input.data.entries()) {
    data[i] = dtype === 'I64' ? BigInt(whole[i] ?? 0) : Number(value);
  }
  return { dtype, shape: input.shape, data };
};

const FOLDS: Readonly<Record<string, Fold>> = {
  Cast: (node, [input]) => cast(input, dtypeOf(intAttribute(node, 'to', 0))),
  CastLike: (_, [input, like]) => cast(input, like?.dtype),
  Concat: concat,
  Identity: (_, [input]) => input,
};

/** Longer tensors are data, not the sizes and scales that exporters put together from parts. */
const MAX = 64;

/** The model with its small computations on constants done, where a rule wants to know the result (scales of Resize). */
export const withFoldedConstants = (model: Graph): Graph => {
  const constants = new Map(model.constants);
  const nodes = model.nodes.filter((node) => {
    const inputs = node.input.flatMap((name) => constants.get(name) ?? []);
    const small = inputs.reduce((sum, { data }) => sum + data.length, 0) <= MAX;
    if (node.domain !== '' || inputs.length < node.input.length || !small) return true;
    const folded = FOLDS[node.opType]?.(node, inputs);
    if (folded === undefined) return true;
    constants.set(node.output[0] ?? '', folded);
    return false;
  });
  return { ...model, nodes, constants };
};
