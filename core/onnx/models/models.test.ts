import { expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { decodeModel } from '../codec.ts';
import { open, seeded } from '../runtime.suite.ts';
import { cnn } from './cnn.ts';
import { mlp } from './mlp.ts';

const layout = (model: Uint8Array) =>
  [...decodeModel(model).initializers].map(([name, { shape }]) => `${name} [${shape.join()}]`);

test('mlp: dense layers under their names, uint8 in, logits out', () => {
  const model = mlp({ inputs: [1, 28, 28], hidden: [128, 32], classes: 10, rng: seeded(1) });
  expect(layout(model)).toEqual([
    'fc1.weight [128,784]',
    'fc1.bias [128]',
    'fc2.weight [32,128]',
    'fc2.bias [32]',
    'fc3.weight [10,32]',
    'fc3.bias [10]',
  ]);
  const { inputs, outputs, opsets, irVersion } = decodeModel(model);
  expect(inputs).toEqual([{ name: 'x', dtype: 'U8', shape: ['batch', 1, 28, 28] }]);
  expect(outputs).toEqual([{ name: 'logits', type: { dtype: 'F32', shape: ['batch', 10] } }]);
  expect([opsets.get(''), irVersion]).toEqual([17, 8]);
});

test('cnn: 4x4 pixels of the last channels reach the dense layer', () => {
  expect(layout(cnn({ inputs: [1, 28, 28], classes: 10, rng: seeded(1) }))).toEqual([
    'conv1.weight [8,1,5,5]',
    'conv1.bias [8]',
    'conv2.weight [16,8,5,5]',
    'conv2.bias [16]',
    'fc.weight [10,256]',
    'fc.bias [10]',
  ]);
});

test('weights fill [-1/sqrt(fan in), 1/sqrt(fan in)], and follow the seed', () => {
  const model = (seed: number) =>
    mlp({ inputs: [400], hidden: [50], classes: 10, rng: seeded(seed) });
  const weights = decodeModel(model(1)).initializers.get('fc1.weight')?.data as Float32Array;
  const bound = 1 / Math.sqrt(400);
  const largest = weights.reduce((max, w) => Math.max(max, Math.abs(w)), 0);
  expect(largest).toBeLessThanOrEqual(bound);
  expect(largest).toBeGreaterThan(0.99 * bound);
  const variance = weights.reduce((sum, w) => sum + w * w, 0) / weights.length;
  expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1);
  expect(model(1)).toEqual(model(1));
  expect(model(2)).not.toEqual(model(1));
});

test('normalises inside the graph: a white and a black image are (1 - mean) / deviation and -mean / deviation', async () => {
  const model = mlp({ inputs: [1, 1, 1], hidden: [], classes: 2, rng: () => 0.75 });
  const session = await open(model);
  const x: Tensor = { dtype: 'U8', shape: [2, 1, 1, 1], data: Uint8Array.of(255, 0) };
  const logits = (await session.run(new Map([['x', x]]))).get('logits')?.data as Float32Array;
  const [white, black] = [(1 - 0.1307) / 0.3081, -0.1307 / 0.3081];
  // Every weight and bias is (0.75 * 2 - 1) / sqrt(1) = 0.5.
  [white, white, black, black].forEach((value, i) =>
    expect(logits[i]).toBeCloseTo(0.5 * value + 0.5, 5),
  );
});
