import { Layers } from './layers.ts';
import type { Rng } from './layers.ts';
import { MNIST_DEVIATION, MNIST_MEAN } from './mnist.ts';

export interface CnnOptions {
  /** Shape of one example, [channels, height, width]. */
  readonly inputs: readonly [number, number, number];
  /** Channels of the two convolutions. Default [8, 16]. */
  readonly channels?: readonly [number, number];
  readonly classes: number;
  readonly rng: Rng;
}

/** LeNet's plan: twice 5x5 convolution, ReLU, 2x2 maxima; then one dense layer. uint8 images in, logits out. */
export const cnn = ({ inputs, channels = [8, 16], classes, rng }: CnnOptions): Uint8Array =>
  new Layers(inputs, rng)
    .normalise(MNIST_MEAN, MNIST_DEVIATION)
    .conv('conv1', channels[0], 5)
    .relu()
    .maxPool(2)
    .conv('conv2', channels[1], 5)
    .relu()
    .maxPool(2)
    .flatten()
    .dense('fc', classes)
    .encode('cnn');
