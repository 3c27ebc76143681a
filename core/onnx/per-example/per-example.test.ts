import { describe, expect, test } from 'vitest';
import type { Tensor, Tensors } from '../../tensors/tensor.ts';
import { encodeModel } from '../codec.ts';
import { differentiate } from '../differentiate.ts';
import type { DifferentiateOptions, Programs } from '../differentiate.ts';
import { describeFault } from '../fault.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import { bytesOf, distance, f32, open, seeded, tensorOf, vector } from '../runtime.suite.ts';
import type { StoredTensor } from '../runtime.suite.ts';
import {
  bytes,
  chain,
  faultOf,
  labels,
  lenet,
  OPTIONS,
  programsOf,
  small,
} from '../small-models.suite.ts';

interface Vector {
  readonly model: string;
  readonly clip: number;
  readonly x: StoredTensor;
  readonly y: StoredTensor;
  readonly norms: readonly number[];
  readonly sums: Readonly<Record<string, StoredTensor>>;
}

const torch = vector('per-example') as Vector;

/** What a gradients program gives, by parameter. */
const gradientsOf = async (
  { gradients }: Programs,
  parameters: Tensors,
  x: Tensor,
  y: Tensor,
): Promise<Tensors> => {
  const { inputs, parameters: specs } = gradients.manifest;
  const session = await open(gradients.model);
  const out = await session.run(
    new Map([...parameters, [inputs.x.input, x], [inputs.y?.input ?? '', y]]),
  );
  await session.release();
  return new Map(
    specs.flatMap(({ name, gradient }): [string, Tensor][] => {
      const tensor = out.get(gradient ?? '');
      return tensor === undefined ? [] : [[name, tensor]];
    }),
  );
};

test.each(['wasm', 'webgpu'] as const)("PyTorch's, one call per example, %s", async (target) => {
  const made = differentiate(bytesOf(torch.model), {
    ...OPTIONS,
    target,
    perExample: { clip: torch.clip },
  });
  if (!made.ok) throw new Error(describeFault(made.error));
  // Some are cut, some are not.
  expect(Math.max(...torch.norms)).toBeGreaterThan(torch.clip);
  expect(Math.min(...torch.norms)).toBeLessThan(torch.clip);
  const { gradients, parameters } = made.value;
  expect(gradients.manifest.clip).toBe(torch.clip);
  const got = await gradientsOf(made.value, parameters, tensorOf(torch.x), tensorOf(torch.y));
  expect([...got.keys()].toSorted()).toEqual(Object.keys(torch.sums).toSorted());
  for (const [name, stored] of Object.entries(torch.sums)) {
    const { by, scale } = distance(got.get(name), tensorOf(stored));
    expect(by, name).toBeLessThanOrEqual(1e-5 * scale + 1e-6);
  }
});

const rowOf = ({ dtype, shape: [, ...shape], data }: Tensor, i: number): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype, shape: [1, ...shape], data: data.slice(i * size, (i + 1) * size) };
};

/** By definition: a batch of one each, with the ordinary program. */
const expectDefinition = async (
  model: Uint8Array,
  x: Tensor,
  y: Tensor,
  clip: number,
  more: Partial<DifferentiateOptions> = {},
): Promise<void> => {
  const [plain, cut] = [
    programsOf(model, more),
    programsOf(model, { ...more, perExample: { clip } }),
  ];
  const got = await gradientsOf(cut, plain.parameters, x, y); // adapters start at random
  const sums = new Map<string, Float64Array>();
  const norms: number[] = [];
  for (let i = 0; i < (x.shape[0] ?? 0); i++) {
    const own = await gradientsOf(plain, plain.parameters, rowOf(x, i), rowOf(y, i));
    const squares = [...own.values()].flatMap(({ data }) =>
      Array.from(data as Float32Array, (v) => v ** 2),
    );
    const norm = Math.sqrt(squares.reduce((a, b) => a + b, 0));
    norms.push(norm);
    for (const [name, { data }] of own) {
      const sum = sums.get(name) ?? new Float64Array(data.length);
      data.forEach(
        (v, at) => (sum[at] = (sum[at] ?? 0) + Number(v) * Math.min(1, clip / (norm + 1e-6))),
      );
      sums.set(name, sum);
    }
  }
  expect(Math.max(...norms)).toBeGreaterThan(clip);
  expect([...got.keys()].toSorted()).toEqual([...sums.keys()].toSorted());
  for (const [name, sum] of sums) {
    const { by, scale } = distance(got.get(name), f32(got.get(name)?.shape ?? [], sum));
    expect(by, name).toBeLessThanOrEqual(1e-5 * scale + 1e-6);
  }
};

const weight = (shape: readonly number[], seed: number): Tensor => {
  const rng = seeded(seed);
  return f32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => rng() * 1.6 - 0.8),
  );
};

const graph = (of: Partial<Graph>): Uint8Array =>
  encodeModel({
    name: 'model',
    irVersion: 8,
    opsets: new Map([['', 17]]),
    inputs: [],
    outputs: [{ name: 'out' }],
    nodes: [],
    initializers: new Map(),
    constants: new Map(),
    hints: new Map(),
    metadata: new Map(),
    ...of,
  });

const ints = (...values: number[]): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

/** Tokens looked up in a table that also closes the model, a class token, normalisation, attention without heads. */
const tokens = graph({
  inputs: [{ name: 'x', dtype: 'I64', shape: ['n', 3] }],
  nodes: [
    makeNode('Gather', ['table', 'x'], ['e']),
    makeNode('Shape', ['x'], ['size']),
    makeNode('Gather', ['size', 'zero'], ['rows'], { axis: 0 }),
    makeNode('Concat', ['rows', 'token size'], ['wide'], { axis: 0 }),
    makeNode('Expand', ['token', 'wide'], ['t']),
    makeNode('Concat', ['t', 'e'], ['s'], { axis: 1 }),
    makeNode('LayerNormalization', ['s', 'scale', 'bias'], ['h'], { axis: -1 }),
    makeNode('MatMul', ['h', 'query'], ['q']),
    makeNode('Transpose', ['h'], ['k'], { perm: [0, 2, 1] }),
    makeNode('MatMul', ['q', 'k'], ['scores']),
    makeNode('Softmax', ['scores'], ['attention'], { axis: -1 }),
    makeNode('MatMul', ['attention', 'h'], ['mixed']),
    makeNode('ReduceMean', ['mixed'], ['pooled'], { axes: [1], keepdims: 0 }),
    makeNode('Transpose', ['table'], ['turned'], { perm: [1, 0] }),
    makeNode('MatMul', ['pooled', 'turned'], ['out']),
  ],
  initializers: new Map([
    ['table', weight([5, 4], 1)],
    ['token', weight([1, 1, 4], 2)],
    ['scale', weight([4], 3)],
    ['bias', weight([4], 4)],
    ['query', weight([4, 4], 5)],
  ]),
  constants: new Map([
    ['zero', ints(0)],
    ['token size', ints(1, 4)],
  ]),
});

/** One example's image through a convolution over one axis, and a dense layer whose product is scaled. */
const signal = graph({
  inputs: [{ name: 'x', dtype: 'F32', shape: ['n', 2, 9] }],
  nodes: [
    makeNode('Conv', ['x', 'kernel', 'shift'], ['a'], {
      strides: [2],
      pads: [1, 2],
      dilations: [2],
    }),
    makeNode('PRelu', ['a', 'slope'], ['b']),
    makeNode('Flatten', ['b'], ['c']),
    makeNode('Gemm', ['c', 'w', 'v'], ['out'], { alpha: { float: 0.5 }, beta: { float: 2 } }),
  ],
  initializers: new Map([
    ['kernel', weight([3, 2, 3], 1)],
    ['shift', weight([3], 2)],
    ['slope', weight([3, 1], 3)],
    ['w', weight([12, 4], 4)],
    ['v', weight([1, 4], 5)],
  ]),
});

describe('is what a batch of one would give each, cut and summed', () => {
  test('dense layers', () => expectDefinition(small(), bytes([5, 1, 4, 4], 1), labels(5, 3), 1));
  test('convolutions', () =>
    expectDefinition(lenet(), bytes([4, 1, 16, 16], 2), labels(4, 3), 0.8));
  test('one example', () => expectDefinition(small(), bytes([1, 1, 4, 4], 1), labels(1, 3), 0.5));
  test('one axis, scaled products, a slope', () =>
    expectDefinition(signal, weight([4, 2, 9], 9), labels(4, 4), 0.5));
  test('embeddings, tied and looked up twice; attention; a repeated token', () =>
    expectDefinition(
      tokens,
      {
        dtype: 'I64',
        shape: [4, 3],
        data: BigInt64Array.from([1, 1, 4, 0, 2, -1, 3, 3, 3, 2, 0, 1], BigInt),
      },
      labels(4, 5),
      0.3,
    ));
  test('some parameters only', () =>
    expectDefinition(small(), bytes([5, 1, 4, 4], 1), labels(5, 3), 0.6, {
      trainable: ['fc2.*', 'fc1.bias'],
    }));
  test('adapters', () =>
    expectDefinition(lenet(), bytes([4, 1, 16, 16], 2), labels(4, 3), 0.2, {
      lora: { rank: 2, targets: ['*'], rng: seeded(1) },
    }));
});

test('a train step takes the sum, with noise, over the batch size', async () => {
  const clip = 0.7;
  const made = programsOf(small(), {
    optimizer: { name: 'sgd' },
    perExample: { clip, noise: true },
  });
  const { train, parameters } = made;
  const [x, y] = [bytes([5, 1, 4, 4], 1), labels(5, 3)];
  const sums = await gradientsOf(made, parameters, x, y);
  const terms = train.manifest.terms ?? [];
  expect(terms.map(({ kind, name }) => [kind, name])).toEqual(
    train.manifest.parameters.map(({ name }) => ['noise', name]),
  );
  const noise = new Map(terms.map(({ input, shape }, i) => [input, weight(shape, 20 + i)]));
  const session = await open(train.model);
  const lr = train.manifest.inputs.lr?.input ?? '';
  const feeds: Tensors = new Map([
    ...parameters,
    ...noise,
    ['x', x],
    ['y', y],
    [lr, f32([], [0.1])],
  ]);
  const out = await session.run(feeds);
  for (const { name, shape, output } of train.manifest.parameters) {
    const [w, sum, drawn] = [parameters.get(name), sums.get(name), noise.get(`noise/${name}`)];
    const expected = Array.from(
      w?.data as Float32Array,
      (v, i) => v - (0.1 * (Number(sum?.data[i]) + Number(drawn?.data[i]))) / 5,
    );
    expect(distance(out.get(output ?? ''), f32(shape, expected)).by).toBeLessThan(1e-6);
  }
  // Without noise, no such input.
  expect(programsOf(small(), { perExample: { clip } }).train.manifest.terms).toBeUndefined();
});

test('the sum never exceeds clip times the batch, whatever the example', async () => {
  const made = programsOf(small(), { perExample: { clip: 0.25 } });
  const huge = new Map(
    [...made.parameters].map(([name, tensor]) => [
      name,
      f32(
        tensor.shape,
        Array.from(tensor.data as Float32Array, (v) => v * 100),
      ),
    ]),
  );
  const sums = await gradientsOf(made, huge, bytes([1, 1, 4, 4], 3), labels(1, 3));
  const squares = [...sums.values()].flatMap(({ data }) =>
    Array.from(data as Float32Array, (v) => v ** 2),
  );
  expect(Math.sqrt(squares.reduce((a, b) => a + b, 0))).toBeLessThanOrEqual(0.25 * (1 + 1e-5));
});

describe('refuses what mixes examples, naming the node', () => {
  const perExample = { clip: 1 };
  const refused = (nodes: Parameters<typeof chain>[0], more: Partial<Graph> = {}) =>
    faultOf(chain(nodes, more), { perExample });

  test('batch statistics; the running ones are fine', () => {
    const four = (value: number) => f32([4], [value, value, value, value]);
    const model = chain(
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['BatchNormalization', ['a', 'scale', 'bias', 'mean', 'variance'], 'out'],
      ],
      {
        initializers: new Map([
          ['w', weight([4, 4], 1)],
          ['scale', four(1)],
          ['bias', four(0)],
          ['mean', four(0)],
          ['variance', four(1)],
        ]),
      },
    );
    expect(faultOf(model, { perExample })).toEqual({
      reason: 'bad_option',
      option: 'perExample',
      detail: expect.stringMatching(/BatchNormalization.*whole batch.*buffers: \[\]/),
    });
    expect(differentiate(model, { ...OPTIONS, perExample, buffers: [], trainable: ['w'] }).ok).toBe(
      true,
    );
  });

  test.each<[string, Parameters<typeof chain>[0], RegExp]>([
    [
      'a mean over the batch',
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['ReduceMean', ['a'], 'm', { axes: [0], keepdims: 1 }],
        ['Sub', ['a', 'm'], 'out'],
      ],
      /node m \(ReduceMean\)/,
    ],
    [
      'a softmax over the batch',
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['Softmax', ['a'], 's', { axis: 0 }],
        ['Add', ['s', 'a'], 'out'],
      ],
      /node s \(Softmax\): it works along them/,
    ],
    [
      'examples against each other',
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['Transpose', ['a'], 't', { perm: [1, 0] }],
        ['MatMul', ['a', 't'], 'k'],
        ['MatMul', ['k', 'a'], 'out'],
      ],
      /node t \(Transpose\)/,
    ],
    [
      'an operator that nothing is known of',
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['CumSum', ['a', 'axis'], 'b'],
        ['MatMul', ['b', 'w'], 'out'],
      ],
      /node b \(CumSum\)/,
    ],
  ])('%s', (_, nodes, why) => {
    const constants = new Map([['axis', { ...ints(0), shape: [] }]]);
    expect(refused(nodes, { constants })).toMatchObject({
      reason: 'bad_option',
      option: 'perExample',
      detail: expect.stringMatching(why),
    });
  });

  test('a weight that is changed before the examples meet it; a loss of one’s own; no norm', () => {
    expect(
      refused([
        ['Mul', ['w', 'w'], 'v'],
        ['MatMul', ['x', 'v'], 'out'],
      ]),
    ).toMatchObject({ detail: expect.stringContaining('node v (Mul)') });
    expect(faultOf(small(), { perExample: { clip: 0 } })).toMatchObject({
      option: 'perExample.clip',
    });
  });
});
