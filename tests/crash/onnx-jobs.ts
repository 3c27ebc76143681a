import { programsFor } from '../../client-kit/tests/digits.ts';
import { onnxJob } from '../../cli/src/onnx-job.ts';
import type { CampaignJob } from './campaign-job.ts';

/** Two jobs that train a small network on digits for a few rounds, then evaluate it across sites. */
export const onnxJobs = (seed: number, crew: number): readonly CampaignJob[] => {
  const programs = programsFor('mlp', 0.9);
  return [0, 1].map((index) => {
    const { spec, model } = onnxJob(programs, {
      name: `digits ${crew}.${index}`,
      seed: seed + crew * 2 + index,
      minSites: 4,
      rounds: 3,
      epochs: 1,
      batchSize: 32,
      lr: 0.05,
      transferType: 'DIFF',
    });
    return {
      name: spec.name,
      blobs: [model, programs.train.model, programs.evaluate.model].map(
        (bytes) => new Uint8Array(bytes),
      ),
      spec: (sites) => ({ ...spec, deploy: sites }),
    };
  });
};
