import type { Aggregator } from '../../core/aggregators/aggregator.ts';
import { DTYPES } from '../../core/tensors/dtype.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows } from '../bytes/chunk-rows.ts';
import type { Piece, Sums } from './fold-cell.ts';

/** Puts a cell's sums aside until the next slice and frees them. -> their run */
export const storeSums = (rows: ChunkRows, sums: Sums): number => {
  const all = new Uint8Array(sums.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const sum of sums) {
    all.set(sum, at);
    at += sum.length;
    free(sum);
  }
  const run = rows.begin(all.length, 'kept');
  rows.append(run, all);
  free(all);
  return run;
};

/** Takes the sums of a cell with these pieces back out of a run, which is deleted. */
export const takeSums = (
  rows: ChunkRows,
  run: number,
  pieces: readonly Piece[],
  batches: NonNullable<Aggregator['batches']>,
): Sums => {
  const all = rows.read(run, 0, rows.size(run));
  let at = 0;
  const sums = pieces.map(({ spans: [{ entry }], begin, end }) => {
    const from = at;
    at += batches.bytes((end - begin) / DTYPES[entry.dtype].bytes);
    return all.slice(from, at);
  });
  free(all);
  rows.kill(run);
  return sums;
};
