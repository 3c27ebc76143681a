import { expect, test } from 'vitest';
import { bytesOf, tensorOf, Trainer, vector } from './runtime.suite.ts';
import type { StoredTensor } from './runtime.suite.ts';
import { programsOf } from './small-models.suite.ts';

interface Exported {
  readonly kind: string;
  readonly opset: number;
  readonly model: string;
  readonly batches: readonly { x: StoredTensor; y: StoredTensor; loss: number }[];
}

const { models } = vector('opsets') as { models: readonly Exported[] };

test.each(models)('$kind exported with opset $opset learn as in PyTorch', async (of) => {
  const programs = programsOf(bytesOf(of.model), { optimizer: { name: 'sgd' } });
  const trainer = await Trainer.start(programs.train, programs.parameters);
  for (const { x, y, loss } of of.batches) {
    const step = await trainer.step(tensorOf(x), tensorOf(y), 0.2);
    expect(Math.abs(step.loss - loss)).toBeLessThan(1e-4 * loss);
  }
});
