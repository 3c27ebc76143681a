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
  for (const { opType, input } of model.nodes) {
    const places =
      opType === 'Add' && input.some((name) => linear.has(name)) ? [0, 1] : WEIGHTS[opType];
    for (const place of places ?? []) {
      const name = input[place] ?? '';
      const tensor = constants.get(name);
      if (tensor?.dtype !== 'F32' || tensor.data.length <= 1) continue;
      initializers.set(name, tensor);
      constants.delete(name);
    }
  }
  return { ...model, initializers, constants };
};
