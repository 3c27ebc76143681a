import { onnxJob } from '../cli/src/onnx-job.ts';
import type { OnnxJob } from '../cli/src/onnx-job.ts';
import { cnn, describeFault, differentiate, mlp } from '../core/onnx/index.ts';
import type { Programs } from '../core/onnx/index.ts';
import { SIDE } from './digits.ts';
import type { DemoOptions } from './options.ts';
import { randomOf } from './random.ts';

/** How the sites train, and the models that they are compared with. */
export const SETTINGS = {
  batchSize: 32,
  lr: 0.02,
  epochs: 1,
  momentum: 0.9,
  validationFraction: 0.1,
} as const;

/** The forward model, as anybody would bring it: an ONNX file. */
export const forwardModel = ({ model, seed }: DemoOptions): Uint8Array => {
  const rng = randomOf(seed, 'weights');
  const inputs = [1, SIDE, SIDE] as const;
  return model === 'cnn'
    ? cnn({ inputs, classes: 10, rng })
    : mlp({ inputs, hidden: [128], classes: 10, rng });
};

/** The programs that our differentiator makes of it. */
export const programsOf = (forward: Uint8Array): Programs => {
  const { momentum } = SETTINGS;
  const made = differentiate(forward, {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'sgd', momentum },
  });
  if (!made.ok) throw new Error(describeFault(made.error));
  return made.value;
};

/**
 * One job, two workflows: federated averaging, then cross-site evaluation. A tab that is waited for may be closed in the
 * middle all the same: a round goes on without it once its lease is over.
 */
export const jobOf = (programs: Programs, options: DemoOptions): OnnxJob => {
  const { model, sites, rounds, seed, join } = options;
  const { epochs, batchSize, lr } = SETTINGS;
  const job = onnxJob(programs, {
    name: `demo: digits, ${model}`,
    seed,
    minSites: join ? sites + 1 : sites,
    rounds,
    epochs,
    batchSize,
    lr,
    transferType: 'DIFF',
  });
  if (!join) return job;
  const workflows = job.spec.workflows.map((workflow) =>
    workflow.use === 'fed-avg'
      ? { ...workflow, args: { ...workflow.args, minResponses: sites } }
      : workflow,
  );
  return { ...job, spec: { ...job.spec, workflows } };
};
