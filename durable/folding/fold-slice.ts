import type { Hash } from 'node:crypto';
import type { Aggregator } from '../../core/aggregators/aggregator.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { shown } from '../../core/tensors/fault.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { ChunkRows, OwnedBytes } from '../bytes/chunk-rows.ts';
import { addSites, finishCell, foldCell, piecesOf, scanCell } from './fold-cell.ts';
import type { Cells } from './fold-cell.ts';
import { storeSums, takeSums } from './fold-sums.ts';
import { firstNonFinite } from '../bytes/spans.ts';

/** What a slice has in memory and the next one need not build again. */
export interface Work {
  readonly task: string;
  readonly n: number;
  /** Where the new model is written; null where the one upload itself becomes the model. */
  readonly run: number | null;
  readonly cells: Cells;
  readonly header: Uint8Array;
  readonly hash: Hash;
  /** Rows hashed. */
  hashed: number;
}

/** How far a pass over the rows of a model is. */
export interface Progress {
  /** Rows done. */
  cell: number;
  /** Sites added to the next row, and the run of their sums. */
  site: number;
  sums: number | null;
  plan: PlanOf;
}
type PlanOf = Parameters<Aggregator['fold']>[2];

export interface FoldFailure {
  readonly state: 'failed';
  readonly reason: string;
  readonly tensor?: string;
}

/** Goes on with a pass. -> what is left of `budget` (bytes of input; 0: nothing more fits), or how it failed */
export const foldSlice = (
  { rows, sliceBytes }: { readonly rows: ChunkRows; readonly sliceBytes: number },
  work: Work,
  pass: 'scan' | 'fold',
  progress: Progress,
  budget: number,
): number | FoldFailure => {
  const { cells, run } = work;
  const { aggregator, base, inputs } = cells;
  const { scan } = aggregator;
  const batches = pass === 'fold' ? aggregator.batches : undefined;
  let left = budget;
  while (progress.cell * LIMITS.rowBytes < base.dataBytes && left > 0) {
    const from = progress.cell * LIMITS.rowBytes;
    const bytes = Math.min(LIMITS.rowBytes, base.dataBytes - from);
    const all = bytes * inputs.length;
    const whole = !batches || all <= sliceBytes;
    // A row that fits into one slice is left for the next where it does not fit into this one.
    if (whole && all > left && left < sliceBytes) return 0;
    if (run === null) {
      const row = cells.readUpload(inputs[0]?.upload ?? '', from, bytes);
      done(work, progress, row);
      left -= all;
      continue;
    }
    const pieces = piecesOf(cells, from, from + bytes);
    if (pass === 'scan' && scan) {
      progress.plan = scanCell(cells, scan, progress.plan as NonNullable<PlanOf>, pieces);
      progress.cell += 1;
      left -= all;
      continue;
    }
    let row: OwnedBytes;
    if (!batches || (whole && pieces.length === 1)) {
      row = foldCell(cells, pieces, progress.plan);
      left -= all;
    } else {
      const some = whole ? inputs.length : Math.max(1, Math.floor(left / bytes));
      const batch = inputs.slice(progress.site, progress.site + some);
      const before = progress.sums === null ? null : takeSums(rows, progress.sums, pieces, batches);
      const sums = addSites(cells, batches, pieces, before, batch);
      progress.sums = null;
      progress.site += batch.length;
      left -= batch.length * bytes;
      if (progress.site < inputs.length) {
        progress.sums = storeSums(rows, sums);
        return 0;
      }
      row = finishCell(cells, batches, pieces, sums);
    }
    const failure = finiteFault(cells, from, row);
    if (failure) return failure;
    rows.put(run, progress.cell, row);
    done(work, progress, row);
  }
  return left;
};

const done = (work: Work, progress: Progress, row: OwnedBytes): void => {
  work.hash.update(row);
  free(row);
  progress.cell += 1;
  progress.site = 0;
  work.hashed = progress.cell;
};

const finiteFault = (
  { kernel, base }: Cells,
  from: number,
  row: OwnedBytes,
): FoldFailure | undefined => {
  const bad = firstNonFinite(kernel, base, from, row);
  if (!bad) return undefined;
  const tensor = shown(bad.tensor);
  const reason = `the new value of tensor '${tensor}' is NaN or infinite at element ${bad.index}`;
  return { state: 'failed', reason, tensor };
};
