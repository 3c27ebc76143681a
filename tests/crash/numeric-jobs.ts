import { digestOf } from '../interop/raw-file.ts';
import type { CampaignJob } from './campaign-job.ts';
import { drawOf } from './draw.ts';
import { expectedDigest, fileOf } from './oracle.ts';

/** A job of pseudo-training: everything about it is seeded. */
export interface NumericJob {
  readonly seed: number;
  readonly rounds: number;
  readonly kind: 'full' | 'diff' | 'cyclic' | 'cross';
  /** The initial model. */
  readonly model: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

const KINDS = ['full', 'diff', 'cyclic', 'cross'] as const;
/** Elements of the larger tensor: from 16 KB, where the protocol is the work, to 1.2 MB, where an upload can be hit. */
const SIZES = [4_000, 40_000, 40_000, 300_000] as const;

/** Jobs of one crew: one of each kind, in four sizes that change places from crew to crew. */
export const numericJobs = (seed: number, crew: number): readonly CampaignJob[] =>
  KINDS.map((kind, index) => {
    const own = seed * 100_000 + crew * 10 + index;
    const draw = drawOf('model', own);
    const size = SIZES[(index + crew) % SIZES.length] ?? 4_000;
    const tensor = (length: number): Float32Array<ArrayBuffer> =>
      Float32Array.from({ length }, () => Math.fround(draw() * 2 - 1));
    const job: NumericJob = {
      seed: own,
      rounds: kind === 'cyclic' ? 2 : 3,
      kind,
      model: new Map([
        ['layer.weight', tensor(size)],
        ['layer.bias', tensor(37)],
      ]),
    };
    const file = fileOf(job.model);
    return {
      name: `${kind} ${own}`,
      blobs: [file],
      spec: (sites) => specOf(job, digestOf(file), sites),
      expected: (sites) => expectedDigest(job, sites),
    };
  });

function specOf(job: NumericJob, model: string, sites: readonly string[]): object {
  const { rounds, kind, seed } = job;
  const fedAvg = {
    id: 'train',
    use: 'fed-avg',
    args: {
      rounds,
      minResponses: sites.length,
      timeout: 600,
      paramsType: kind === 'diff' ? 'DIFF' : 'FULL',
      keyMetric: 'mean',
    },
  };
  return {
    name: `crash ${seed}`,
    seed,
    minSites: sites.length,
    deploy: sites,
    model,
    workflows:
      kind === 'cyclic'
        ? [{ id: 'train', use: 'cyclic', args: { rounds } }]
        : kind === 'cross'
          ? [fedAvg, { id: 'cross', use: 'cross-site-eval', args: {} }]
          : [fedAvg],
    executors: [{ tasks: ['*'], use: 'app', args: {} }],
  };
}
