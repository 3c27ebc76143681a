import { describe, expect, test } from 'vitest';
import { decodeModel, encodeModel } from './codec.ts';
import type { Programs } from './differentiate.ts';
import type { Program } from './program.ts';
import { distance, f32, open, scalarOf, Trainer } from './runtime.suite.ts';
import { bytes, chain, labels, lenet, programsOf, small } from './small-models.suite.ts';

describe('training', () => {
  const steps = async (train: Program, { parameters }: Programs, sizes: readonly number[]) => {
    const trainer = await Trainer.start(train, parameters);
    const losses: number[] = [];
    for (const [i, size] of sizes.entries()) {
      losses.push((await trainer.step(bytes([size, 1, 16, 16], i), labels(size, 3), 0.05)).loss);
    }
    return { losses, weights: trainer.parameters };
  };

  test('wasm and webgpu agree, the last batch smaller, down to one example', async () => {
    const [wasm, webgpu] = [programsOf(lenet()), programsOf(lenet(), { target: 'webgpu' })];
    const sizes = [8, 8, 5, 1];
    const [a, b] = [await steps(wasm.train, wasm, sizes), await steps(webgpu.train, webgpu, sizes)];
    a.losses.forEach((loss, i) => expect(b.losses[i]).toBeCloseTo(loss, 5));
    for (const [name, tensor] of a.weights)
      expect(distance(b.weights.get(name), tensor).by).toBeLessThan(1e-5);
  });

  test('learns one batch by heart, with the same program as PyTorch would', async () => {
    const programs = programsOf(small());
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const [x, y] = [bytes([6, 1, 4, 4], 3), labels(6, 3)];
    for (let i = 0; i < 60; i++) await trainer.step(x, y, 0.05);
    const last = await trainer.step(x, y, 0.05);
    expect(last.correct).toBe(6);
    expect(last.loss).toBeLessThan(0.05);
    const evaluated = await (
      await open(programs.evaluate.model)
    ).run(new Map([...trainer.parameters, ['x', x], ['y', y]]));
    expect(scalarOf(evaluated, 'correct')).toBe(6);
  });

  test('freezes what no glob names', async () => {
    const programs = programsOf(small(), { trainable: ['fc2.*'] });
    expect(
      programs.train.manifest.parameters.map(({ name, role, output }) => [name, role, output]),
    ).toEqual([
      ['fc1.weight', 'frozen', undefined],
      ['fc1.bias', 'frozen', undefined],
      ['fc2.weight', 'trainable', 'next/fc2.weight'],
      ['fc2.bias', 'trainable', 'next/fc2.bias'],
    ]);
    expect(programs.train.manifest.state).toHaveLength(2);
    const trainer = await Trainer.start(programs.train, programs.parameters);
    await trainer.step(bytes([4, 1, 4, 4], 1), labels(4, 3), 0.1);
    const moved = (name: string) =>
      distance(trainer.parameters.get(name), programs.parameters.get(name) ?? f32([], [])).by;
    expect([moved('fc1.weight'), moved('fc1.bias')]).toEqual([0, 0]);
    expect(moved('fc2.weight')).toBeGreaterThan(0);
  });

  test('judges what goes into a closing softmax', async () => {
    const bare = programsOf(chain([['MatMul', ['x', 'w'], 'out']]));
    const closed = programsOf(
      chain([
        ['MatMul', ['x', 'w'], 'z'],
        ['Softmax', ['z'], 'out'],
      ]),
    );
    const x = f32([2, 4], [1, 2, 3, 4, -1, 0, 1, 2]);
    const [a, b] = await Promise.all(
      [bare, closed].map(async ({ train, parameters }) =>
        (await Trainer.start(train, parameters)).step(x, labels(2, 4), 0.1),
      ),
    );
    expect(b).toEqual(a);
    expect(decodeModel(closed.predict.model).nodes.map(({ opType }) => opType)).toEqual([
      'MatMul',
      'Softmax',
    ]);
  });

  test('an opset that takes axes as inputs trains alike', async () => {
    const model = decodeModel(lenet());
    const newer = programsOf(encodeModel({ ...model, irVersion: 10, opsets: new Map([['', 21]]) }));
    const older = programsOf(lenet());
    expect(decodeModel(newer.train.model).opsets.get('')).toBe(21);
    const sizes = [4, 3];
    const [a, b] = [await steps(older.train, older, sizes), await steps(newer.train, newer, sizes)];
    expect(b.losses).toEqual(a.losses);
  });

  test('a loss of huge logits stays finite', async () => {
    const programs = programsOf(chain([['MatMul', ['x', 'w'], 'out']]));
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const { loss } = await trainer.step(f32([1, 4], [9e4, 0, 0, 9e4]), labels(1, 4), 0.1);
    expect(Number.isFinite(loss)).toBe(true);
  });

  test('a model that shares one weight twice sums both gradients', async () => {
    const programs = programsOf(
      chain([
        ['MatMul', ['x', 'w'], 'h'],
        ['MatMul', ['h', 'w'], 'out'],
      ]),
    );
    expect(programs.train.manifest.parameters).toHaveLength(1);
    const trainer = await Trainer.start(programs.train, programs.parameters);
    const x = f32([1, 4], [0.5, -1, 0.25, 1]);
    const [before, w] = [await trainer.step(x, labels(1, 4), 1e-3), trainer.parameters.get('w')];
    const after = await trainer.step(x, labels(1, 4), 0);
    const start = programs.parameters.get('w');
    if (w === undefined || start === undefined) throw new Error('no w');
    // A small step lowers the loss by lr |g|^2, and moved w by lr g.
    const moved = Array.from(w.data as Float32Array, (v, i) => v - Number(start.data[i]));
    const squared = moved.reduce((sum, by) => sum + by ** 2, 0) / 1e-3;
    expect(before.loss - after.loss).toBeCloseTo(squared, 4);
  });
});
