// What the models are fed: random pixels or characters, the same for everybody.
import { generator, TRANSFORMERS } from './models.ts';
import type { ModelName } from './models.ts';

export interface Batch {
  readonly x: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
  readonly xShape: readonly number[];
  readonly y: Int32Array<ArrayBuffer>;
  readonly yShape: readonly number[];
  readonly classes: number;
}

const IMAGE = { mlp: [1, 28, 28], cnn: [1, 28, 28], resnet18: [3, 64, 64] } as const;

export const batchOf = (model: ModelName, size: number): Batch => {
  const rng = generator(7);
  const ints = (length: number, below: number): Int32Array<ArrayBuffer> =>
    Int32Array.from({ length }, () => rng() * below);
  if (model === 'gpt' || model === 'transformer') {
    const { length, vocabulary } = TRANSFORMERS[model];
    const shape = [size, length];
    const text = (): Int32Array<ArrayBuffer> => ints(size * length, vocabulary);
    return { x: text(), xShape: shape, y: text(), yShape: shape, classes: vocabulary };
  }
  const image = IMAGE[model];
  const pixels = image.reduce((a, b) => a * b, size);
  return {
    x: Float32Array.from({ length: pixels }, () => rng()),
    xShape: [size, ...image],
    y: ints(size, 10),
    yShape: [size],
    classes: 10,
  };
};
