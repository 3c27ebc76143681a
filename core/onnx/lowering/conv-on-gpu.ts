import type { Dim } from '../dim.ts';
import { isStatic } from '../dim.ts';
import type { Emitter } from '../emitter.ts';
import { makeNode } from '../graph.ts';
import type { NodeView } from '../node-view.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/**
 * ONNX Runtime's WebGPU kernel (1.30) reads input channels three at a time where their number is a multiple of 3 but not
 * of 4, and then computes something else if there are more than three and the outputs come by fours: 6 to 16 channels,
 * as in LeNet. One more input channel of zeros takes another kernel. Where the input channels are examples (a weight's
 * gradient contracts them), nobody knows their number yet: there an output channel of zeros is added, and dropped again.
 * Answers the nodes that stand for this one.
 */
export const convOnGpu = (n: NodeView, g: Emitter): readonly NodeProto[] => {
  const { proto } = n;
  const [outputs, inputs] = n.scope.types.get(n.in(1))?.shape ?? [];
  if (n.int('group', 1) !== 1 || !byFours(outputs) || inputs === undefined) return [proto];
  if (isStatic(inputs)) {
    if (inputs <= 3 || inputs % 3 !== 0 || inputs % 4 === 0) return [proto];
    proto.input = proto.input.map((x, i) => (i < 2 ? oneMore(g, x, 1) : x));
    return [proto];
  }
  proto.input = proto.input.map((x, i) => (i > 0 && x !== '' ? oneMore(g, x, 0) : x));
  const [output = ''] = proto.output;
  const wider = g.fresh(`${output}/wider`);
  proto.output = [wider];
  proto.name = wider;
  const bounds = [[0], [outputs], [1]].map((list) => g.ints(list.map(Number)));
  return [proto, makeNode('Slice', [wider, ...bounds], [output])];
};

const byFours = (dim: Dim | undefined): dim is number =>
  dim !== undefined && isStatic(dim) && dim % 4 === 0;

/** A slice of zeros at the end of an axis. */
const oneMore = (g: Emitter, x: string, axis: number): string => {
  const length = g.types.get(x)?.shape.length ?? 0;
  const pads = Array.from({ length: 2 * length }, (_, at) => Number(at === length + axis));
  return g.op('Pad', [x, g.ints(pads)]);
};
