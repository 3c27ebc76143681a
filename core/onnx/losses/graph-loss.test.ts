import { describe, expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import { decodeModel } from '../codec.ts';
import { makeNode } from '../graph.ts';
import { distance, f32, Trainer } from '../runtime.suite.ts';
import { chain, faultOf, programsOf } from '../small-models.suite.ts';
import { uniform, values } from './judge.suite.ts';
import type { LossOptions } from './registry.ts';

describe('a loss that is a graph', () => {
  const graph = (more: Parameters<typeof chain>[1] = {}) =>
    chain(
      [
        ['Sub', ['out', 'y'], 'd'],
        ['Mul', ['d', 'd'], 'sq'],
        ['ReduceMean', ['sq'], 'loss', { keepdims: 0 }],
      ],
      {
        inputs: [
          { name: 'out', dtype: 'F32', shape: ['N', 4] },
          { name: 'y', dtype: 'F32', shape: ['N', 4] },
        ],
        outputs: [{ name: 'loss' }],
        initializers: new Map(),
        ...more,
      },
    );
  const model = (more: Parameters<typeof chain>[1] = {}) =>
    chain([['MatMul', ['x', 'w'], 'out']], more);
  const x = uniform([5, 4], 1);

  const curve = async (loss: LossOptions, feeds: { x: Tensor; y?: Tensor }, of = model()) => {
    const { train, parameters } = programsOf(of, { loss });
    const trainer = await Trainer.start(train, parameters);
    const losses: number[] = [];
    for (let i = 0; i < 10; i++) {
      losses.push((await trainer.step(feeds.x, feeds.y ?? feeds.x, 0.05)).loss);
    }
    return losses;
  };

  test('trains as the built-in loss of that formula', async () => {
    const y = uniform([5, 4], 2);
    const built = await curve('mse', { x, y });
    const own = await curve({ graph: graph() }, { x, y });
    own.forEach((loss, i) => expect(loss).toBeCloseTo(built[i] ?? NaN, 5));
    expect(own.at(-1)).toBeLessThan(own[0] ?? 0);
  });

  test('may compare with the model’s input, and need no labels', async () => {
    const inputs = [
      { name: 'out', dtype: 'F32', shape: ['N', 4] },
      { name: 'x', dtype: 'F32', shape: ['N', 4] },
    ] as const;
    const nodes = decodeModel(graph()).nodes.map((node) => {
      node.input = node.input.map((name) => (name === 'y' ? 'x' : name));
      return node;
    });
    const loss = { graph: graph({ inputs, nodes }) };
    expect(programsOf(model(), { loss }).train.manifest.inputs.y).toBeUndefined();
    const [own, built] = [await curve(loss, { x }), await curve('mse', { x, y: x })];
    own.forEach((value, i) => expect(value).toBeCloseTo(built[i] ?? NaN, 5));
  });

  test('is walked once where one judged output leads to another', async () => {
    const two = chain(
      [
        ['MatMul', ['x', 'w'], 'a'],
        ['Mul', ['a', 'a'], 'b'],
      ],
      { outputs: [{ name: 'a' }, { name: 'b' }] },
    );
    const loss = chain(
      [
        ['Sub', ['b', 'a'], 'd'],
        ['ReduceSum', ['d'], 'loss', { keepdims: 0 }],
      ],
      {
        inputs: ['a', 'b'].map((name) => ({ name, dtype: 'F32' as const, shape: ['n', 4] })),
        outputs: [{ name: 'loss' }],
        initializers: new Map(),
      },
    );
    // loss = sum(a^2 - a), so that w moves by lr x^T (2a - 1).
    const { train, parameters } = programsOf(two, {
      loss: { graph: loss },
      optimizer: { name: 'sgd' },
    });
    const trainer = await Trainer.start(train, parameters);
    await trainer.step(x, x, 1);
    const [w, moved] = [parameters.get('w'), trainer.parameters.get('w')];
    if (w === undefined || moved === undefined) throw new Error('no w');
    const at = (m: Tensor, i: number, j: number): number => values(m)[i * 4 + j] ?? NaN;
    const expected = Array.from({ length: 16 }, (_, k) => {
      const [i, j] = [Math.floor(k / 4), k % 4];
      let sum = 0;
      for (let n = 0; n < 5; n++) {
        let a = 0;
        for (let m = 0; m < 4; m++) a += at(x, n, m) * at(w, m, j);
        sum += at(x, n, i) * (2 * a - 1);
      }
      return at(w, i, j) - sum;
    });
    const { by, scale } = distance(moved, f32([4, 4], expected));
    expect(by).toBeLessThanOrEqual(1e-5 * scale);
  });

  test('judges the training form of the model, and may take several labels', async () => {
    const normalised = chain(
      [
        ['MatMul', ['x', 'w'], 'z'],
        ['BatchNormalization', ['z', 'scale', 'bias', 'mean', 'var'], 'out'],
      ],
      {
        initializers: new Map([
          ['w', uniform([4, 4], 5)],
          ...['scale', 'bias', 'mean', 'var'].map((name, i): [string, Tensor] => [
            name,
            uniform([4], i, 0.5, 1),
          ]),
        ]),
      },
    );
    const loss = {
      graph: graph({
        nodes: [
          makeNode('Sub', ['out', 'y'], ['d']),
          makeNode('Mul', ['d', 'd'], ['sq']),
          makeNode('Mul', ['sq', 'importance'], ['loss']),
        ],
        inputs: [
          { name: 'out', dtype: 'F32', shape: ['N', 4] },
          { name: 'y', dtype: 'F32', shape: ['N', 4] },
          { name: 'importance', dtype: 'F32', shape: ['M', 1] },
        ],
      }),
    };
    const { train, parameters } = programsOf(normalised, { loss });
    expect(train.manifest.inputs.y?.input).toBe('y');
    expect(train.manifest.inputs.more).toEqual([
      { input: 'importance', dtype: 'F32', shape: ['batch', 1] },
    ]);
    const trainer = await Trainer.start(train, parameters);
    const more = new Map([['importance', uniform([5, 1], 3, 0, 1)]]);
    const losses: number[] = [];
    for (let i = 0; i < 20; i++) {
      losses.push((await trainer.step(x, uniform([5, 4], 2), 0.1, more)).loss);
    }
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 2);
  });

  const faults: readonly [string, Uint8Array, object][] = [
    ['no input named after an output', graph({ inputs: [] }), { reason: 'loss_mismatch' }],
    [
      'another shape',
      graph({
        inputs: [
          { name: 'out', dtype: 'F32', shape: ['N', 5] },
          { name: 'y', dtype: 'F32', shape: ['N', 5] },
        ],
      }),
      { reason: 'loss_mismatch' },
    ],
    [
      'labels of a fixed batch',
      graph({
        inputs: [
          { name: 'out', dtype: 'F32', shape: ['N', 4] },
          { name: 'y', dtype: 'F32', shape: [8, 4] },
        ],
      }),
      { reason: 'loss_mismatch' },
    ],
    ['no loss', graph({ outputs: [] }), { reason: 'malformed_model' }],
    ['no ONNX', Uint8Array.of(1, 2, 3), { reason: 'malformed_model' }],
    [
      'an opset whose forms the program does not know',
      graph({ opsets: new Map([['', 18]]) }),
      { reason: 'unsupported_opset', opset: 18 },
    ],
  ];
  test.each(faults)('refuses %s', (_, bytes, fault) => {
    expect(faultOf(model(), { loss: { graph: bytes } })).toMatchObject(fault);
  });
});
