import { describe, expect, test } from 'vitest';
import type { Tensors } from '../../tensors/tensor.ts';
import { bytesOf, distance, tensorOf, vector } from '../runtime.suite.ts';
import type { StoredTensor } from '../runtime.suite.ts';
import { judge } from './judge.suite.ts';
import type { LossName, LossOptions } from './registry.ts';

interface LossVector {
  readonly options: Exclude<LossOptions, string>;
  readonly z: StoredTensor;
  readonly y: StoredTensor;
  readonly sum: number;
  readonly count: number;
  readonly gradient: StoredTensor;
  readonly correct?: number;
  readonly counted?: number;
}

interface GraphVector {
  readonly name: string;
  readonly graph: string;
  readonly reduction: 'mean' | 'sum';
  readonly inputs: Readonly<Record<string, StoredTensor>>;
  readonly mean: number;
  readonly gradients: Readonly<Record<string, StoredTensor>>;
  readonly sureness?: number;
}

const torch = vector('losses') as {
  readonly losses: readonly LossVector[];
  readonly graphs: readonly GraphVector[];
};

const near = (what: string, got: number | undefined, expected: number): void => {
  expect(Math.abs((got ?? NaN) - expected), what).toBeLessThanOrEqual(
    1e-5 * Math.abs(expected) + 1e-6,
  );
};

/** Kernels that ONNX Runtime's WebGPU provider has; others would fall back to the CPU. */
const ON_GPU =
  /^(Abs|Add|Cast|Clip|Div|Equal|Exp|Greater|Log|Mul|Neg|Not|Reduce(Max|Min|Sum)|Relu|Sigmoid|Slice|Sqrt|Sub|Unsqueeze|Where)$/;

describe.each(['wasm', 'webgpu'] as const)("PyTorch's losses, %s", (target) => {
  const title = ({ options, z }: LossVector) => `${JSON.stringify(options)} [${z.shape.join()}]`;
  test.each(torch.losses.map((of) => ({ ...of, title: title(of) })))('$title', async (of) => {
    const z = tensorOf(of.z);
    const got = await judge(of.options, new Map([['z', z]]), tensorOf(of.y), target);
    near('sum', got.metrics.get('loss')?.[0], of.sum);
    near('count', got.metrics.get('loss')?.[1], of.count);
    expect(got.metrics.get('accuracy')).toEqual(
      of.correct === undefined ? undefined : [of.correct, of.counted],
    );
    expect(got.examples).toBe(z.shape[0]);
    const { by, scale } = distance(got.gradients.get('z'), tensorOf(of.gradient));
    expect(by, `gradient off by ${by} at scale ${scale}`).toBeLessThanOrEqual(
      1e-6 * Math.max(scale, 0.1),
    );
    if (target === 'webgpu') {
      expect(got.operators.filter((op) => !ON_GPU.test(op))).toEqual([]);
    }
  });
});

describe("PyTorch's losses", () => {
  test('every loss has a vector', () => {
    const names: Record<LossName, true> = {
      'bce-with-logits': true,
      cosine: true,
      huber: true,
      kl: true,
      mae: true,
      mse: true,
      nll: true,
      'smooth-l1': true,
      'softmax-cross-entropy': true,
    };
    const seen = torch.losses.map(({ options }) => 'name' in options && options.name);
    expect(new Set(seen)).toEqual(new Set(Object.keys(names)));
  });
});

describe("losses given as PyTorch's graphs", () => {
  test.each(torch.graphs)('$name', async (of) => {
    const inputs: Tensors = new Map(
      Object.entries(of.inputs).map(([name, stored]) => [name, tensorOf(stored)]),
    );
    const labels = inputs.get('y');
    const outputs = new Map([...inputs].filter(([name]) => name !== 'y'));
    const options = { graph: bytesOf(of.graph), reduction: of.reduction };
    const got = await judge(options, outputs, labels);
    const mean = (name: string): number => {
      const [sum, count] = got.metrics.get(name) ?? [NaN, NaN];
      return sum / count;
    };
    near('mean', mean('loss'), of.mean);
    if (of.sureness !== undefined) near('metric', mean('sureness'), of.sureness);
    expect([...got.gradients.keys()].toSorted()).toEqual(Object.keys(of.gradients).toSorted());
    for (const [name, gradient] of Object.entries(of.gradients)) {
      const { by, scale } = distance(got.gradients.get(name), tensorOf(gradient));
      expect(by, `${name} off by ${by} at scale ${scale}`).toBeLessThanOrEqual(2e-6 * scale + 1e-8);
    }
  });
});
