import { expect, test } from 'vitest';
import { intAttribute } from '../attribute.ts';
import { BATCH } from '../batch.ts';
import { decodeModel } from '../codec.ts';
import type { Dim } from '../dim.ts';
import { Emitter } from '../emitter.ts';
import { lower } from './lower.ts';
import { cnn } from '../models/cnn.ts';
import { opsetOf } from '../prepare.ts';
import { distance, open, scalarOf, seeded, Trainer } from '../runtime.suite.ts';
import { bytes, labels, programsOf } from '../small-models.suite.ts';

/** LeNet's own channels: 6, then 16. */
const lenet = () => cnn({ inputs: [1, 16, 16], channels: [6, 16], classes: 3, rng: seeded(1) });

/** Channels of the convolutions that the WebGPU kernel computes wrongly, for some size of a symbol or for all. */
const wrong = (g: Emitter): readonly string[] =>
  g.nodes.flatMap((node) => {
    if (node.opType !== 'Conv' || intAttribute(node, 'group', 1) !== 1) return [];
    const [outputs, inputs] = g.types.get(node.input[1] ?? '')?.shape ?? [];
    const threes =
      typeof inputs !== 'number' || (inputs > 3 && inputs % 3 === 0 && inputs % 4 !== 0);
    return threes && Number(outputs) % 4 === 0 ? [`${inputs} to ${outputs}`] : [];
  });

test.each<[Dim, number]>([
  [6, 16],
  [15, 4],
  ['batch', 8],
  [3, 16],
  [12, 16],
  [6, 6],
])('from %s channels to %i', (inputs, outputs) => {
  const g = new Emitter(17);
  g.input('x', { dtype: 'F32', shape: [2, inputs, 9, 9] });
  g.input('w', { dtype: 'F32', shape: [outputs, inputs, 3, 3] });
  const y = g.op('Conv', ['x', 'w']);
  const [cpu, gpu] = [lower(g, 'native'), lower(g, 'webgpu')];
  expect(wrong(gpu)).toEqual([]);
  const fine = wrong(cpu).length === 0;
  expect(gpu.nodes.map(({ opType }) => opType).join() === 'Conv').toBe(fine);
  expect(gpu.types.get(gpu.resolve(y))).toEqual(g.types.get(y));
});

test('whatever program it stands in', () => {
  const of = (model: Uint8Array): readonly string[] => {
    const graph = decodeModel(model);
    return wrong(Emitter.of(graph, opsetOf(graph)));
  };
  expect(of(programsOf(lenet()).predict.model)).toEqual(['6 to 16']);
  const { evaluate, predict } = programsOf(lenet(), { target: 'webgpu' });
  for (const { model } of [evaluate, predict]) expect(of(model)).toEqual([]);
  expect(predict.manifest.outputs).toEqual([{ input: 'logits', dtype: 'F32', shape: [BATCH, 3] }]);
});

test('the channels of zeros change nothing, whatever the batch', async () => {
  const [a, b] = [programsOf(lenet()), programsOf(lenet(), { target: 'webgpu' })];
  const [cpu, gpu] = [
    await Trainer.start(a.train, a.parameters),
    await Trainer.start(b.train, b.parameters),
  ];
  for (const size of [6, 3, 4, 1]) {
    const [x, y] = [bytes([size, 1, 16, 16], size), labels(size, 3)];
    const [one, other] = [await cpu.step(x, y, 0.05), await gpu.step(x, y, 0.05)];
    expect(other.loss).toBeCloseTo(one.loss, 5);
  }
  for (const [name, tensor] of cpu.parameters)
    expect(distance(gpu.parameters.get(name), tensor).by).toBeLessThan(1e-5);
  const [x, y] = [bytes([5, 1, 16, 16], 9), labels(5, 3)];
  const feeds = new Map([...a.parameters, ['x', x] as const, ['y', y] as const]);
  const [one, other] = [
    await (await open(a.evaluate.model)).run(feeds),
    await (await open(b.evaluate.model)).run(feeds),
  ];
  expect(scalarOf(other, 'loss_sum')).toBeCloseTo(scalarOf(one, 'loss_sum'), 4);
});
