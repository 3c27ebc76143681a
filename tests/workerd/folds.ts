import { expect } from 'vitest';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { decode } from '../../core/tensors/safetensors.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import type { FoldState } from '../../durable/folding/folding.ts';
import { importTensors, resultFile, ruleFor, sha256Of, submit } from './bytes-room.ts';
import type { Room } from './bytes-room.ts';

/** Steps until a fold is done or has failed. */
export const finish = ({ folding, storage }: Room, task = 't'): FoldState => {
  for (;;) {
    const step = storage.transactionSync(() => folding.step(task));
    if (step.state !== 'more') return step;
  }
};
/** A model, its digest checked. */
export const read = async ({ models }: Room, digest: string): Promise<Tensors> => {
  const answer = await models.serve(digest, new Request('http://job/'));
  const bytes = new Uint8Array(await answer.arrayBuffer());
  expect(sha256Of(bytes)).toBe(digest);
  const decoded = decode(bytes);
  if (!decoded.ok) throw new Error(decoded.error.reason);
  expect(decoded.value.metadata.size).toBe(0);
  return decoded.value.tensors;
};

export interface Update {
  readonly site: string;
  readonly weight: number;
  readonly tensors: Tensors;
}

/** Folds updates of a model. */
export const fold = async (
  room: Room,
  model: Tensors,
  updates: readonly Update[],
  {
    use = 'mean',
    paramsType = 'FULL',
    partial = false,
  }: { paramsType?: ParamsType; partial?: boolean; use?: string } = {},
): Promise<FoldState> => {
  const base = await importTensors(room, model);
  const replies = [];
  for (const { site, weight, tensors } of updates) {
    const file = resultFile(tensors, { params_type: paramsType });
    replies.push({
      site,
      weight,
      upload: await submit(room, site, file, ruleFor(base, { partial })),
    });
  }
  room.folding.open('t', { base, paramsType, outputs: [{ key: 'global', use, replies }] });
  return finish(room);
};

export const digestOf = (state: FoldState, key = 'global'): string => {
  if (state.state !== 'done') throw new Error(JSON.stringify(state));
  return state.models[key]?.digest ?? 'none';
};

export const values = (tensors: Tensors, name: string): number[] =>
  Array.from((tensors.get(name) as Tensor).data as Float32Array);
/** Deterministic numbers of magnitude around 1. */
export const noise = (seed: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed * 1000 + i * 1.37) * 1.7);

/** What §4 says, in plain JavaScript. */
export const expected = (updates: readonly Update[], name: string): number[] => {
  const sorted = [...updates].sort((a, b) => (a.site < b.site ? -1 : 1));
  const total = sorted.reduce((sum, { weight }) => sum + weight, 0);
  const columns = sorted.map(({ weight, tensors }) => ({ weight, of: values(tensors, name) }));
  return (columns[0]?.of ?? []).map((_, i) => {
    let sum = 0;
    for (const { weight, of } of columns) sum += weight * (of[i] ?? NaN);
    return Math.fround(sum / total);
  });
};
