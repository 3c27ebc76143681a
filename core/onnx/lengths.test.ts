import { expect, test } from 'vitest';
import { bytesOf, tensorOf, Trainer, vector } from './runtime.suite.ts';
import type { StoredTensor } from './runtime.suite.ts';
import { programsOf } from './small-models.suite.ts';

interface Lengths {
  readonly opset: number;
  readonly model: string;
  readonly batches: readonly { x: StoredTensor; y: StoredTensor; loss: number }[];
}

const { models } = vector('lengths') as { models: readonly Lengths[] };

test.each(models)(
  'a GPT exported with opset $opset learns from sequences of any length, as PyTorch does',
  async ({ model, batches }) => {
    const programs = programsOf(bytesOf(model), { optimizer: { name: 'sgd', momentum: 0.9 } });
    const trainer = await Trainer.start(programs.train, programs.parameters);
    for (const { x, y, loss } of batches) {
      const step = await trainer.step(tensorOf(x), tensorOf(y), 0.3);
      expect(Math.abs(step.loss - loss)).toBeLessThan(1e-4 * loss);
    }
  },
);
