import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { distance, f32, scalarOf, seeded, open, Trainer } from '../runtime.suite.ts';
import { chain, faultOf, programsOf } from '../small-models.suite.ts';
import { judge, uniform, values } from './judge.suite.ts';
import type { Judgement } from './judge.suite.ts';
import type { LossOptions } from './registry.ts';

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

const i32 = (shape: readonly number[], data: ArrayLike<number>): Tensor => ({
  dtype: 'I32',
  shape,
  data: Int32Array.from(data),
});

const judged = (options: LossOptions, z: Tensor, y: Tensor): Promise<Judgement> =>
  judge(options, new Map([['z', z]]), y);

/** [a, n, b] as [a * b, n]: the axis in the middle goes last. */
const flattened = (data: readonly number[], a: number, n: number, b: number): number[] =>
  Array.from({ length: a * b * n }, (_, at) => {
    const [row, k] = [Math.floor(at / n), at % n];
    return data[(Math.floor(row / b) * n + k) * b + (row % b)] ?? NaN;
  });

const expectSame = (a: Judgement, b: Judgement): void => {
  for (const [name, [sum, count]] of a.metrics) {
    const [otherSum = NaN, otherCount] = b.metrics.get(name) ?? [];
    expect(Math.abs(sum - otherSum)).toBeLessThanOrEqual(1e-5 * Math.abs(sum) + 1e-5);
    expect(otherCount).toBeCloseTo(count, 4);
  }
};

const dims = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 });

describe('losses of any shape', () => {
  test('a position is judged as an example is, wherever the classes lie', async () => {
    const runs = fc.record({
      batch: fc.integer({ min: 1, max: 4 }),
      before: dims,
      classes: fc.integer({ min: 1, max: 6 }),
      after: dims,
      negative: fc.boolean(),
      weighted: fc.boolean(),
      ignored: fc.option(fc.integer({ min: -1, max: 2 }), { nil: undefined }),
      labelSmoothing: fc.constantFrom(0, 0.2),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const shape = [run.batch, ...run.before, run.classes, ...run.after];
        const axis = 1 + run.before.length;
        const [a, b] = [sizeOf(shape.slice(0, axis)), sizeOf(run.after)];
        const rng = seeded(run.seed);
        const z = uniform(shape, run.seed);
        const y = Array.from({ length: a * b }, () => Math.floor(rng() * run.classes));
        if (run.ignored !== undefined) y[0] = run.ignored;
        const options = {
          name: 'softmax-cross-entropy',
          labelSmoothing: run.labelSmoothing,
          ...(run.weighted && {
            classWeights: Array.from({ length: run.classes }, (_, i) => 0.5 + i),
          }),
          ...(run.ignored !== undefined && { ignoreIndex: run.ignored }),
        } as const;
        const whole = await judged(
          { ...options, axis: run.negative ? axis - shape.length : axis },
          z,
          i32(shape.toSpliced(axis, 1), y),
        );
        const flat = await judged(
          options,
          f32([a * b, run.classes], flattened(values(z), a, run.classes, b)),
          i32([a * b], y),
        );
        expectSame(whole, flat);
        const gradient = whole.gradients.get('z');
        if (gradient === undefined) throw new Error('no gradient');
        const moved = f32([a * b, run.classes], flattened(values(gradient), a, run.classes, b));
        const { by } = distance(flat.gradients.get('z'), moved);
        expect(by).toBeLessThanOrEqual(1e-6);
        expect(gradient.shape).toEqual(shape);
      }),
      { numRuns: 25 },
    );
  });

  const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  /** Value and slope of each, in float64. */
  const formulas: Record<string, (z: number, y: number) => readonly [number, number]> = {
    mse: (z, y) => [(z - y) ** 2, 2 * (z - y)],
    mae: (z, y) => [Math.abs(z - y), Math.sign(z - y)],
    huber: (z, y) =>
      Math.abs(z - y) <= 1 ? [(z - y) ** 2 / 2, z - y] : [Math.abs(z - y) - 0.5, Math.sign(z - y)],
    'bce-with-logits': (z, y) => [y * softplus(-z) + (1 - y) * softplus(z), sigmoid(z) - y],
  };

  test.each(Object.keys(formulas))('%s of each element', async (name) => {
    const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer(), async (shape, seed) => {
        const [z, y] = [uniform(shape, seed), uniform(shape, seed + 1, 0, 1)];
        const got = await judged(name as 'mse', z, y);
        const each = values(z).map(
          (v, i) => formulas[name]?.(v, values(y)[i] ?? NaN) ?? [NaN, NaN],
        );
        const sum = each.reduce((total, [loss]) => total + loss, 0);
        expect(got.metrics.get('loss')?.[0]).toBeCloseTo(sum, 3);
        expect(got.metrics.get('loss')?.[1]).toBe(each.length);
        const slopes = f32(
          shape,
          each.map(([, slope]) => slope / each.length),
        );
        expect(distance(got.gradients.get('z'), slopes).by).toBeLessThanOrEqual(1e-6);
      }),
      { numRuns: 15 },
    );
  });
});

describe('sums', () => {
  const rows = (tensor: Tensor, from: number, to: number): Tensor => {
    const [batch = 1, ...inner] = tensor.shape;
    const width = tensor.data.length / batch;
    return {
      ...tensor,
      shape: [to - from, ...inner],
      data: tensor.data.slice(from * width, to * width),
    };
  };

  test.each<[LossOptions, Tensor, Tensor]>([
    [
      { name: 'softmax-cross-entropy', classWeights: [1, 2, 3], ignoreIndex: 1 },
      uniform([5, 3, 2], 1),
      i32([5, 2], [0, 1, 1, 1, 2, 0, 2, 2, 0, 1]),
    ],
    ['bce-with-logits', uniform([5, 4], 2), uniform([5, 4], 3, 0, 1)],
    [{ name: 'kl', over: 'examples' }, uniform([5, 4], 4), uniform([5, 4], 5, 0, 1)],
    ['cosine', uniform([5, 2, 4], 6), uniform([5, 2, 4], 7)],
  ])('of two batches are those of both together: %o', async (options, z, y) => {
    const [whole, a, b] = [
      await judged(options, z, y),
      await judged(options, rows(z, 0, 2), rows(y, 0, 2)),
      await judged(options, rows(z, 2, 5), rows(y, 2, 5)),
    ];
    for (const [name, [sum, count]] of whole.metrics) {
      const [[sumA = 0, countA = 0] = [], [sumB = 0, countB = 0] = []] = [
        a.metrics.get(name),
        b.metrics.get(name),
      ];
      expect(sumA + sumB).toBeCloseTo(sum, 4);
      expect(countA + countB).toBeCloseTo(count, 4);
    }
  });

  test('a batch of ignored labels moves nothing and counts nothing', async () => {
    const got = await judged(
      { name: 'softmax-cross-entropy', ignoreIndex: -1 },
      uniform([2, 3], 1),
      i32([2], [-1, -1]),
    );
    expect([...got.metrics.values()]).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(values(got.gradients.get('z') ?? f32([], []))).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('a masked class, with a logit of -inf, does no harm', async () => {
    const z = f32([1, 3], [1, -Infinity, 2]);
    const got = await judged('softmax-cross-entropy', z, i32([1], [0]));
    expect(got.metrics.get('loss')?.[0]).toBeCloseTo(Math.log(1 + Math.E), 5);
    const gradient = values(got.gradients.get('z') ?? f32([], []));
    expect(gradient[1]).toBe(0);
    expect(gradient[2]).toBeCloseTo(Math.E / (1 + Math.E), 5);
  });
});

describe('programs', () => {
  const linear = () => chain([['MatMul', ['x', 'w'], 'out']]);
  const x = uniform([6, 4], 1);
  const y = uniform([6, 4], 2, 0, 1);

  const metricsOf = async (loss: LossOptions, model = linear(), target = y) => {
    const { train, parameters } = programsOf(model, { loss });
    const trainer = await Trainer.start(train, parameters);
    const curve: number[] = [];
    for (let i = 0; i < 30; i++) curve.push((await trainer.step(x, target, 0.05)).loss);
    return { curve, manifest: train.manifest };
  };

  test.each<LossOptions>([
    'mse',
    'mae',
    'huber',
    'smooth-l1',
    'bce-with-logits',
    'cosine',
    { name: 'softmax-cross-entropy', labels: 'probabilities' },
  ])('train with %o', async (loss) => {
    const { curve, manifest } = await metricsOf(loss);
    expect(curve.at(-1)).toBeLessThan((curve[0] ?? 0) * 0.95);
    expect(manifest.inputs.y).toEqual({ input: 'y', dtype: 'F32', shape: ['batch', 4] });
    expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
  });

  test('name the output by which a sum is divided where it is not the examples', () => {
    const { metrics } = programsOf(linear(), { loss: 'bce-with-logits' }).evaluate.manifest;
    expect(metrics).toEqual([
      { name: 'loss', output: 'loss_sum', kind: 'sum', count: 'elements' },
      { name: 'accuracy', output: 'correct', kind: 'sum', count: 'elements' },
      { name: 'examples', output: 'examples', kind: 'sum' },
    ]);
  });

  test('judge what goes into a closing sigmoid', async () => {
    const closed = chain([
      ['MatMul', ['x', 'w'], 'z'],
      ['Sigmoid', ['z'], 'out'],
    ]);
    const [a, b] = [await metricsOf('bce-with-logits'), await metricsOf('bce-with-logits', closed)];
    expect(b.curve).toEqual(a.curve);
  });

  test('take the classes to lie where a closing softmax has them', () => {
    const closed = (op: string) =>
      chain(
        [
          ['MatMul', ['x', 'w'], 'a'],
          ['Reshape', ['a', 'pixels'], 'z'],
          [op, ['z'], 'out', { axis: -1 }],
        ],
        {
          constants: new Map([
            ['pixels', { dtype: 'I64', shape: [3], data: BigInt64Array.of(0n, 2n, 2n) }],
          ]),
        },
      );
    for (const [name, op] of [
      ['softmax-cross-entropy', 'Softmax'],
      ['nll', 'LogSoftmax'],
    ] as const) {
      expect(programsOf(closed(op), { loss: name }).evaluate.manifest.inputs.y?.shape).toEqual([
        'batch',
        2,
      ]);
      expect(faultOf(closed(op), { loss: { name, axis: 1 } })).toMatchObject({
        reason: 'loss_mismatch',
      });
    }
  });

  test('judge the output that is asked for', async () => {
    const two = chain(
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['Neg', ['a'], 'b'],
      ],
      { outputs: [{ name: 'a' }, { name: 'b' }] },
    );
    const { evaluate, parameters } = programsOf(two, { loss: { name: 'mse', output: 'b' } });
    const zero = f32(
      [6, 4],
      Array.from({ length: 24 }, () => 0),
    );
    const out = await (
      await open(evaluate.model)
    ).run(new Map([...parameters, ['x', x], ['y', zero]]));
    expect(scalarOf(out, 'loss_sum')).toBeGreaterThan(0);
    expect(faultOf(two, { loss: { name: 'mse', output: 'c' } })).toMatchObject({
      reason: 'bad_option',
      option: 'loss.output',
    });
  });
});

describe('what a loss can not judge', () => {
  const wide = chain([['MatMul', ['x', 'w'], 'out']]);
  test.each<[LossOptions, object]>([
    [{ name: 'softmax-cross-entropy', axis: 2 }, { reason: 'loss_mismatch' }],
    [{ name: 'softmax-cross-entropy', axis: 0 }, { reason: 'loss_mismatch' }],
    [{ name: 'softmax-cross-entropy', classWeights: [1, 2] }, { option: 'loss.classWeights' }],
    [{ name: 'nll', classWeights: [1, 2, 3, -1] }, { option: 'loss.classWeights' }],
    [{ name: 'softmax-cross-entropy', ignoreIndex: 0.5 }, { option: 'loss.ignoreIndex' }],
    [{ name: 'softmax-cross-entropy', labelSmoothing: 1.1 }, { option: 'loss.labelSmoothing' }],
    [
      { name: 'softmax-cross-entropy', labels: 'probabilities', ignoreIndex: 0 },
      { option: 'loss.ignoreIndex' },
    ],
    [{ name: 'bce-with-logits', posWeight: [1, 2] }, { reason: 'loss_mismatch' }],
    [{ name: 'bce-with-logits', posWeight: -1 }, { option: 'loss.posWeight' }],
    [{ name: 'huber', delta: 0 }, { option: 'loss.delta' }],
    [{ name: 'smooth-l1', beta: NaN }, { option: 'loss.beta' }],
  ])('%o', (loss, fault) => {
    expect(faultOf(wide, { loss })).toMatchObject(fault);
  });

  test('integers', () => {
    const model = chain([
      ['MatMul', ['x', 'w'], 'z'],
      ['Cast', ['z'], 'out', { to: 6 }],
    ]);
    expect(faultOf(model, { loss: 'mse' })).toMatchObject({ reason: 'loss_mismatch' });
  });
});
