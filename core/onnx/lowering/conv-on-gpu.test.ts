import { expect, test } from 'vitest';
import { intAttribute } from '../attribute.ts';
import { BATCH } from '../batch.ts';
import { decodeModel } from '../codec.ts';
import { Emitter } from '../emitter.ts';
import { cnn } from '../models/cnn.ts';
import { opsetOf } from '../prepare.ts';
import { distance, open, scalarOf, seeded, Trainer } from '../runtime.suite.ts';
import { bytes, labels, programsOf } from '../small-models.suite.ts';

/** LeNet's own channels: 6, then 16. */
const lenet = () => cnn({ inputs: [1, 16, 16], channels: [6, 16], classes: 3, rng: seeded(1) });

/** Convolutions that the WebGPU kernel computes wrongly, for some batch size or for all. */
const wrong = (model: Uint8Array): readonly string[] => {
  const graph = decodeModel(model);
  const g = Emitter.of(graph, opsetOf(graph));
  return g.nodes.flatMap((node) => {
    if (node.opType !== 'Conv' || intAttribute(node, 'group', 1) !== 1) return [];
    const [outputs, inputs] = g.types.get(node.input[1] ?? '')?.shape ?? [];
    const threes =
      typeof inputs !== 'number' || (inputs > 3 && inputs % 3 === 0 && inputs % 4 !== 0);
    return threes && Number(outputs) % 4 === 0 ? [node.name] : [];
  });
};

test('no convolution of a WebGPU program takes the kernel that is wrong', () => {
  const cpu = programsOf(lenet());
  expect(wrong(cpu.train.model).length).toBeGreaterThan(0);
  expect(wrong(cpu.predict.model)).toHaveLength(1);
  const { train, gradients, evaluate, predict } = programsOf(lenet(), { target: 'webgpu' });
  for (const { model } of [train, gradients, evaluate, predict]) expect(wrong(model)).toEqual([]);
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
