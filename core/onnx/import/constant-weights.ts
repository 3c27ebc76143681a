import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import type { Graph } from '../graph.ts';

/** Inputs that are weights wherever they are fixed, by operator. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  BatchNormalization: [1, 2, 3, 4],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gather: [0],
  Gemm: [0, 1, 2],
  GroupNormalization: [1, 2],
  GRU: [1, 2, 3],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  LSTM: [1, 2, 3],
  MatMul: [0, 1],
  PRelu: [1],
  RMSNormalization: [1],
  RNN: [1, 2, 3],
};

/** Operators whose result a bias or a scale of one value per channel may follow. */
const LINEAR = /^(Conv|ConvTranspose|Gemm|MatMul)$/;

/** Operators that only arrange: what they make of weights is weights. */
const ARRANGING = /^(Concat|Identity|Reshape|Slice|Squeeze|Transpose|Unsqueeze)$/;

/**
 * PaddlePaddle's exporter keeps weights in Constant nodes. In a model without any initializer, a float constant of several
 * elements that an operator takes as its weight, or that is added to the result of a linear one, becomes one.
 */
export const withConstantWeights = (model: Graph): Graph => {
  if ([...model.initializers.values()].some(({ data }) => data.length > 1)) return model;
  const linear = new Set(
    model.nodes.filter(({ opType }) => LINEAR.test(opType)).flatMap(({ output }) => output),
  );
  const initializers: Tensors = new Map(model.initializers);
  const constants = new Map<string, Tensor>(model.constants);
  const makers = new Map(model.nodes.flatMap((node) => node.output.map((name) => [name, node])));
  const lift = (name: string): void => {
    const tensor = constants.get(name);
    const maker = makers.get(name);
    if (tensor !== undefined) {
      if (tensor.dtype !== 'F32' || tensor.data.length <= 1) return;
      initializers.set(name, tensor);
      constants.delete(name);
    } else if (maker !== undefined && ARRANGING.test(maker.opType)) {
      for (const part of maker.input) lift(part);
    }
  };
  for (const { opType, input } of model.nodes) {
    for (const place of WEIGHTS[opType] ?? []) lift(input[place] ?? '');
    const biased = opType === 'Add' && input.some((name) => linear.has(name));
    for (const name of input) if (biased && constants.has(name)) lift(name);
  }
  return { ...model, initializers, constants };
};
