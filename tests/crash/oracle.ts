import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { digestOf } from '../interop/raw-file.ts';
import type { NumericJob } from './numeric-jobs.ts';
import { stepsOf, train } from './training.ts';

type Model = ReadonlyMap<string, Float32Array<ArrayBuffer>>;

/** A model as the file that the server makes of it. */
export const fileOf = (model: Model): Uint8Array<ArrayBuffer> => {
  const tensors: Tensors = new Map();
  for (const [name, data] of model) tensors.set(name, { dtype: 'F32', shape: [data.length], data });
  return encode(tensors);
};

const trained = (model: Model, seed: number, site: string, round: number): Model =>
  new Map([...model].map(([name, values]) => [name, train(values, name, { seed, site, round })]));

/** The weighted mean in float64, one division, rounded once, written down a second time. */
function fold(
  model: Model,
  updates: readonly { weight: number; model: Model }[],
  diff: boolean,
): Model {
  const total = updates.reduce((sum, { weight }) => sum + weight, 0);
  return new Map(
    [...model].map(([name, old]) => {
      const sum = new Float64Array(old.length);
      for (const { weight, model: own } of updates) {
        const values = own.get(name) as Float32Array;
        for (let i = 0; i < sum.length; i++) {
          const value = values[i] as number;
          sum[i]! += weight * (diff ? Math.fround(value - (old[i] as number)) : value);
        }
      }
      return [
        name,
        Float32Array.from(sum, (value, i) => (diff ? (old[i] as number) : 0) + value / total),
      ];
    }),
  );
}

/** Digest of the model that a job must end with, computed here, without server and kit. */
export function expectedDigest(job: NumericJob, sites: readonly string[]): string {
  const { seed, rounds, kind } = job;
  let model: Model = job.model;
  const sorted = [...sites].sort();
  for (let round = 0; round < rounds; round++) {
    if (kind === 'cyclic') {
      for (const site of sorted) model = trained(model, seed, site, round);
      continue;
    }
    const updates = sorted.map((site) => ({
      weight: stepsOf({ seed, site }),
      model: trained(model, seed, site, round),
    }));
    model = fold(model, updates, kind === 'diff');
  }
  return digestOf(fileOf(model));
}
