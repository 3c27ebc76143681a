import { BATCH } from '../batch.ts';
import type { Emitter } from '../emitter.ts';
import { ABSTRACT } from '../emitter.ts';
import { refuse } from '../fault.ts';
import { pruned } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import * as may from './mixing.ts';
import type { Mixes } from './mixing.ts';

/** Operators of these kinds work on each element, or on each row of their first axis, by itself. */
const ALONE =
  'Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Celu Cos Cosh DepthToSpace Dropout Elu Erf Exp Flatten Floor Gelu GlobalAveragePool GlobalLpPool GlobalMaxPool HardSigmoid HardSwish Identity InstanceNormalization IsInf IsNaN LRN LeakyRelu Log MaxPool AveragePool LpPool Mish Neg Not Reciprocal Relu Reshape Resize Round Selu Shrink Sigmoid Sign Sin Sinh SpaceToDepth Softplus Softsign Sqrt Squeeze Swish Tan Tanh ThresholdedRelu Tile Unsqueeze Upsample';
const BROADCAST =
  'Add And BitwiseAnd BitwiseOr BitwiseXor Clip Div Equal Expand Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or PRelu Pow Sub Sum Where Xor';
const REDUCTIONS =
  'ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare';

const all = (names: string, mixes: Mixes): Record<string, Mixes> =>
  Object.fromEntries(names.split(' ').map((name) => [name, mixes]));

/** Operators that are known to keep examples apart, and where they don't. Whatever isn't here is refused. */
const MIXING: Readonly<Record<string, Mixes>> = {
  ...all(ALONE, may.never),
  ...all(BROADCAST, may.broadcast),
  ...all(REDUCTIONS, may.reduced),
  ...all('ArgMax ArgMin', may.along(0)),
  ...all('Softmax LogSoftmax Hardmax TopK LpNormalization', may.along(-1)),
  ...all('Concat', may.along(0)),
  ...all('Split', may.along(0)),
  ...all('BatchNormalization Conv ConvTranspose GroupNormalization', may.weights),
  ...all('LayerNormalization RMSNormalization', may.normalised),
  CumSum: may.cumulated,
  Einsum: may.contracted,
  Gather: may.gathered,
  GatherElements: may.along(0),
  Gemm: may.gemm,
  MatMul: may.matMul,
  Pad: may.padded,
  Slice: may.sliced,
  Transpose: may.transposed,
};

/** Outputs that depend on the sizes of what they read, not on its elements. */
const SIZES = new Set(['Shape', 'Size', 'ConstantOfShape']);

/**
 * The values between the inputs and `judged` that depend on the examples: [batch, ...], with nothing between two of them.
 * Refuses a graph in which one example may change what another gives, naming every node where it may: a gradient of one
 * example alone has no meaning there.
 */
export const keptApart = (
  g: Emitter,
  inputs: readonly string[],
  judged: readonly string[],
): ReadonlySet<string> => {
  const apart = new Set(inputs);
  const reasons: string[] = [];
  for (const node of pruned(g.nodes, judged)) {
    // A weight that is repeated for each example, like a class token, is the examples' from there on.
    const [output = ''] = node.output;
    if (node.opType === 'Expand' && g.types.get(output)?.shape[0] === BATCH) apart.add(output);
    if (SIZES.has(node.opType) || !node.input.some((name) => apart.has(name))) continue;
    const why = whyMixed(g, node, apart);
    if (why !== undefined) {
      reasons.push(`node ${new NodeView(node, g).label} (${node.opType}): ${why}`);
    }
    for (const name of node.output) if (name !== '') apart.add(name);
  }
  if (reasons.length === 0) return apart;
  const detail = `examples don't stay apart: ${reasons.join('; ')}`;
  return refuse({ reason: 'bad_option', option: 'perExample', detail });
};

const whyMixed = (g: Emitter, node: NodeProto, apart: ReadonlySet<string>): string | undefined => {
  if (node.domain === ABSTRACT && node.opType === 'BatchNormalization') {
    return 'its statistics are of the whole batch; with `buffers: []` it uses the running ones';
  }
  const mixes = node.domain === '' ? MIXING[node.opType] : undefined;
  if (mixes === undefined) return 'it is not known to keep them apart';
  const view = new NodeView(node, g);
  const elsewhere = [...node.input.filter((name) => apart.has(name)), view.out(0)].find(
    (name) => g.types.get(name)?.shape[0] !== BATCH,
  );
  if (elsewhere !== undefined) {
    return `the first axis of ${elsewhere} is not theirs: ${JSON.stringify(g.types.get(elsewhere)?.shape)}`;
  }
  return mixes(view, (i) => apart.has(view.in(i)));
};
