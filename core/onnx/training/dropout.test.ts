import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { decodeModel, encodeModel } from '../codec.ts';
import type { Dim } from '../dim.ts';
import { Emitter } from '../emitter.ts';
import { f32, open, Trainer } from '../runtime.suite.ts';
import { chain, labels, programsOf } from '../small-models.suite.ts';
import { keyOf, stepKey, words } from './random.ts';

const SIZE = 1 << 16;
const SHAPE = [256, 16, 16];

/** Words of the generator, run by ONNX Runtime: element by element, for a seed, a step and a tensor of that step. */
const generator = async (shape: readonly Dim[]) => {
  const g = new Emitter(17);
  const scalar = { dtype: 'I32', shape: [] } as const;
  for (const name of ['seed', 'step']) g.input(name, scalar);
  g.input('like', { dtype: 'F32', shape });
  const step = stepKey(g, 'seed', 'step');
  const outputs = [0, 1].map((index) => words(g, keyOf(g, step, index), 'like'));
  const model = encodeModel({
    name: 'words',
    irVersion: 8,
    opsets: new Map([['', 17]]),
    inputs: [
      { name: 'seed', ...scalar },
      { name: 'step', ...scalar },
      { name: 'like', dtype: 'F32', shape },
    ],
    outputs: outputs.map((name) => ({ name })),
    nodes: g.nodes,
    initializers: new Map(),
    constants: g.constants,
    hints: new Map(),
    metadata: new Map(),
  });
  const session = await open(model);
  const int = (value: number): Tensor => ({ ...scalar, data: Int32Array.of(value) });
  const like = f32(SHAPE, new Float32Array(SIZE));
  return async (seed: number, at: number): Promise<readonly Int32Array[]> => {
    const out = await session.run(
      new Map([
        ['seed', int(seed)],
        ['step', int(at)],
        ['like', like],
      ]),
    );
    return outputs.map((name) => out.get(name)?.data as Int32Array);
  };
};

/** The generator again, written a second time from its description. `place`: the element's index along each axis. */
const reference = (seed: number, step: number, index: number, place: readonly number[]): number => {
  const [weyl, other] = [0x9e3779b1, 0x2c1b3c6d];
  const rotated = (h: number) => (Math.imul(h, 0x10000) + Math.trunc(h / 0x10000)) | 0;
  const square = (h: number, k: number) => Math.imul(h, (h + k) | 0);
  const mixed = (h: number) => rotated(square(rotated(square(h, weyl)), other));
  const seeded = mixed((Math.imul(seed, weyl) + other) | 0);
  const base = mixed((seeded + Math.imul(step, other)) | 0);
  const [a = 0, b = 0] = [1, 2].map((half) =>
    mixed((base + Math.imul(2 * index + half, weyl)) | 0),
  );
  let [at, power] = [0, weyl];
  for (const i of place.toReversed()) {
    at = (at + Math.imul(i, power)) | 0;
    power = Math.imul(power, weyl);
  }
  return square(rotated(square((at + a) | 0, b)), a);
};

/** (statistic - mean) / deviation of a count of `n` trials with probability `p`. */
const score = (count: number, n: number, p: number): number =>
  (count - n * p) / Math.sqrt(n * p * (1 - p));

describe('the generator', () => {
  test.each([[SHAPE], [['batch', 16, 16]], [['batch', 'length', 16]]])(
    'is what it says it is, on this runtime: %j',
    async (shape) => {
      const draw = await generator(shape);
      const [first, second] = await draw(-7, 123456);
      for (const i of [0, 1, 15, 16, 255, 256, 1000, SIZE - 1]) {
        const place = [i >> 8, (i >> 4) & 15, i & 15];
        expect([first?.[i], second?.[i]]).toEqual([
          reference(-7, 123456, 0, place),
          reference(-7, 123456, 1, place),
        ]);
      }
    },
  );

  test('passes for random: frequencies, runs of eight at several strides, rows, steps, seeds', async () => {
    const draw = await generator(SHAPE);
    const all: Int32Array[] = [];
    for (const seed of [0, 1, 2]) {
      for (const step of [1, 2, 3, 4]) all.push(...(await draw(seed, step)));
    }
    // 24 tensors: six deviations happen by chance once in 10^9; no statistic is looked at more than 300 times.
    for (const p of [0.1, 0.5, 0.75]) {
      const threshold = p * 2 ** 32 - 2 ** 31;
      for (const words of all) {
        const kept = words.reduce((sum, word) => sum + Number(word >= threshold), 0);
        expect(Math.abs(score(kept, SIZE, 1 - p))).toBeLessThan(6);
      }
    }
    const bit = (words: Int32Array, i: number): number => Number((words[i] ?? 0) >= 0);
    for (const stride of [1, 3, 16, 256, 1000]) {
      for (const words of all) {
        const counts = new Float64Array(256);
        const runs = Math.floor(SIZE / (8 * stride)) * stride;
        for (let run = 0; run < runs; run++) {
          const start = Math.floor(run / stride) * 8 * stride + (run % stride);
          let pattern = 0;
          for (let j = 0; j < 8; j++) pattern = 2 * pattern + bit(words, start + j * stride);
          counts[pattern] = (counts[pattern] ?? 0) + 1;
        }
        const expected = runs / 256;
        const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
        expect(Math.abs(chi - 255) / Math.sqrt(2 * 255)).toBeLessThan(6);
      }
    }
    // Two different tensors (of one step, of two steps, of two seeds) agree in half of their bits.
    for (let a = 1; a < all.length; a++) {
      for (let b = 0; b < a; b++) {
        let agree = 0;
        for (let i = 0; i < SIZE; i += 4) {
          agree += Number(
            bit(all[a] ?? new Int32Array(), i) === bit(all[b] ?? new Int32Array(), i),
          );
        }
        expect(Math.abs(score(agree, SIZE / 4, 0.5))).toBeLessThan(6);
      }
    }
  });
});

const RATIO = 0.3;
const half = (ratio = RATIO) =>
  chain(
    [
      ['Dropout', ['x', 'ratio'], 'a'],
      ['MatMul', ['a', 'w'], 'out'],
    ],
    { constants: new Map([['ratio', f32([], [ratio])]]) },
  );

/** Rows of x = e_i and labels: the loss's gradient shows which inputs were dropped, and by how much the rest grew. */
const maskOf = async (
  model: Uint8Array,
  rows: number,
  seed: number,
  step: number,
  target: 'wasm' | 'webgpu' = 'wasm',
): Promise<readonly number[]> => {
  const { gradients, parameters } = programsOf(model, { target });
  const { inputs, parameters: specs } = gradients.manifest;
  const x = f32(
    [rows, 4],
    Array.from({ length: rows * 4 }, (_, i) => Number(i % 4 === Math.floor(i / 4) % 4)),
  );
  const int = (value: number): Tensor => ({ dtype: 'I32', shape: [], data: Int32Array.of(value) });
  const out = await (
    await open(gradients.model)
  ).run(
    new Map([
      ...parameters,
      ['x', x],
      ['y', labels(rows, 4)],
      [inputs.seed?.input ?? '', int(seed)],
      [inputs.step?.input ?? '', f32([], [step])],
    ]),
  );
  return Array.from(out.get(specs[0]?.gradient ?? '')?.data as Float32Array);
};

describe('dropout', () => {
  test('takes a seed and a step, in train and gradients only, and only where a mask is drawn', () => {
    const { train, gradients, evaluate, predict } = programsOf(half());
    for (const { manifest } of [train, gradients]) {
      expect(manifest.inputs.seed).toEqual({ input: 'seed', dtype: 'I32', shape: [] });
      expect(manifest.inputs.step).toEqual({ input: 'step', dtype: 'F32', shape: [] });
    }
    const none = [
      evaluate,
      predict,
      programsOf(half(), { dropout: false }).train,
      programsOf(half(0)).train,
    ];
    for (const { manifest } of none) {
      expect([manifest.inputs.seed, manifest.inputs.step]).toEqual([undefined, undefined]);
    }
    expect(decodeModel(predict.model).nodes.map(({ opType }) => opType)).toContain('Dropout');
  });

  test('shares the step with an optimizer that counts', () => {
    const { train } = programsOf(half(), { optimizer: { name: 'adam' } });
    expect(train.manifest.inputs.step?.input).toBe('step');
    expect(
      decodeModel(train.model).inputs.filter(({ name }) => name.startsWith('step')),
    ).toHaveLength(1);
  });

  test('keeps 1 - ratio of the elements, scaled up, in both directions', async () => {
    // y = x * mask: a column of ones through an identity shows the mask; its gradient is the mask again.
    const n = 4096;
    const model = chain(
      [
        ['Dropout', ['h', 'ratio'], 'a'],
        ['MatMul', ['a', 'v'], 'out'],
      ],
      { constants: new Map([['ratio', f32([], [RATIO])]]) },
    );
    const graph = decodeModel(model);
    const wide = encodeModel({
      ...graph,
      nodes: [...decodeModel(chain([['MatMul', ['x', 'w'], 'h']])).nodes, ...graph.nodes],
      initializers: new Map([
        ['w', f32([4, n], new Float32Array(4 * n).fill(1))],
        [
          'v',
          f32(
            [n, 2],
            new Float32Array(2 * n).map((_, i) => (i % 2 === 0 ? 1e-3 : 0)),
          ),
        ],
      ]),
    });
    const { gradients, parameters } = programsOf(wide);
    const run = await open(gradients.model);
    const int: Tensor = { dtype: 'I32', shape: [], data: Int32Array.of(3) };
    const out = await run.run(
      new Map([
        ...parameters,
        ['x', f32([1, 4], [1, 0, 0, 0])],
        ['y', labels(1, 2)],
        ['seed', int],
        ['step', f32([], [1])],
      ]),
    );
    const forwards = Array.from(out.get('gradient/v')?.data as Float32Array).filter(
      (_, i) => i % 2 === 0,
    );
    const scale = Math.max(...forwards.map(Math.abs));
    const kept = forwards.filter((v) => v !== 0);
    for (const v of kept) expect(Math.abs(v)).toBeCloseTo(scale, 6);
    expect(Math.abs(score(kept.length, n, 1 - RATIO))).toBeLessThan(5);
    const backwards = Array.from(out.get('gradient/w')?.data as Float32Array).slice(0, n);
    expect(backwards.map((v) => v !== 0)).toEqual(forwards.map((v) => v !== 0));
    // dloss/dz is the same in both: forwards (1 / (1 - ratio)) dz, backwards 1e-3 (1 / (1 - ratio)) dz.
    const kept1 = backwards.filter((v) => v !== 0);
    for (const v of kept1) expect(v / (scale * Math.sign(v))).toBeCloseTo(1e-3, 7);
  });

  test('is the same for the same seed and step, on both targets, and another otherwise', async () => {
    const once = await maskOf(half(), 64, 5, 9);
    expect(await maskOf(half(), 64, 5, 9)).toEqual(once);
    const gpu = await maskOf(half(), 64, 5, 9, 'webgpu');
    gpu.forEach((v, i) => expect(v).toBeCloseTo(once[i] ?? NaN, 6));
    expect(await maskOf(half(), 64, 5, 10)).not.toEqual(once);
    expect(await maskOf(half(), 64, 6, 9)).not.toEqual(once);
  });

  test('off, it trains as if it were not there; at ratio 1 nothing passes', async () => {
    const bare = programsOf(chain([['MatMul', ['x', 'w'], 'out']]));
    const off = programsOf(half(), { dropout: false });
    const x = f32([2, 4], [1, 2, 3, 4, -1, 0, 1, 2]);
    const [a, b] = await Promise.all(
      [bare, off].map(async ({ train, parameters }) =>
        (await Trainer.start(train, parameters)).step(x, labels(2, 4), 0.1),
      ),
    );
    expect(b).toEqual(a);
    expect((await maskOf(half(1), 8, 1, 1)).every((v) => v === 0)).toBe(true);
  });
});
