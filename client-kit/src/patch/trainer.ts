import type { Client } from '../client.ts';
import type { Trainer } from '../trainers/onnx/trainer.ts';
import { Patched } from './patched.ts';

/**
 * Makes an ONNX `Trainer` federated, as `patch` of ./tfjs does a TensorFlow.js model: `train` begins with the model that the
 * task brought and sends what it made of it; `evaluate` before it judges the model received. In a task that asks for no
 * training, `train` gives what would be after no step. `client` is that of `init` unless given.
 */
export const patch = (trainer: Trainer, client?: Client): Trainer => {
  const patched = new Patched(client, (params) => {
    trainer.params = params;
    // FLARE: the optimizer begins anew in each round.
    trainer.state = new Map();
  });
  const train = trainer.train.bind(trainer);
  const evaluate = trainer.evaluate.bind(trainer);
  return Object.assign(trainer, {
    train: async (options: Parameters<typeof train>[0]) => {
      if (!(await patched.wantsTraining(() => trainer.params))) {
        return train({ ...options, epochs: 1, steps: 0 });
      }
      const { client: speaker } = patched;
      const signals = [speaker.signal(), options.signal].filter((one) => one !== undefined);
      const trained = await train({
        ...options,
        signal: AbortSignal.any(signals),
        onStep: (step, steps, loss) => {
          speaker.report({ type: 'step', step, steps, loss });
          options.onStep?.(step, steps, loss);
        },
      });
      await patched.trained(trained.params, trained.steps);
      return trained;
    },
    evaluate: async (...args: Parameters<typeof evaluate>) => {
      const inTask = patched.load();
      const counter = await evaluate(...args);
      if (inTask) patched.evaluated(counter.sums);
      return counter;
    },
  });
};
