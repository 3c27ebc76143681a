import { sizeOf } from '../../tensors/tensor.ts';
import { Layers } from './layers.ts';
import type { Rng } from './layers.ts';
import { MNIST_DEVIATION, MNIST_MEAN } from './mnist.ts';

export interface MlpOptions {
  /** Shape of one example, for instance [1, 28, 28]. */
  readonly inputs: readonly number[];
  /** Widths of the hidden layers. */
  readonly hidden: readonly number[];
  readonly classes: number;
  readonly rng: Rng;
}

/** Fully connected layers with ReLU between them: uint8 images in, logits [batch, classes] out, as an ONNX file. */
export const mlp = ({ inputs, hidden, classes, rng }: MlpOptions): Uint8Array => {
  if (sizeOf(inputs) < 1)
    throw new RangeError(`expected a shape with elements, got [${inputs.join()}]`);
  const layers = new Layers(inputs, rng).normalise(MNIST_MEAN, MNIST_DEVIATION).flatten();
  hidden.forEach((width, i) => layers.dense(`fc${i + 1}`, width).relu());
  return layers.dense(`fc${hidden.length + 1}`, classes).encode('mlp');
};
