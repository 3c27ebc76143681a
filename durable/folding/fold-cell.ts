import type { Aggregator, Chunk, Slice } from '../../core/aggregators/aggregator.ts';
import type { Kernel } from '../../core/aggregators/kernel.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { DTYPES } from '../../core/tensors/dtype.ts';
import { decodeBytes } from '../../core/filters/quantization/codec.ts';
import type { Layout, TensorEntry } from '../../core/tensors/layout.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { OwnedBytes } from '../bytes/chunk-rows.ts';
import { ROWS_KEPT } from './row-cache.ts';
import type { Coding } from '../results/coding.ts';
import type { RowCache } from './row-cache.ts';
import { spansOf } from '../bytes/spans.ts';
import type { Span } from '../bytes/spans.ts';

/** One site's update in a fold. */
export interface Input {
  readonly site: string;
  readonly weight: number;
  readonly upload: string;
  readonly layout: Layout;
  /** How its tensors are quantised, if they are. */
  readonly coding: Coding | undefined;
}

/** All that folding one cell needs. */
export interface Cells {
  readonly kernel: Kernel;
  readonly aggregator: Aggregator;
  readonly paramsType: ParamsType;
  /** The model's; an input with this very layout has its bytes at the same places. */
  readonly base: Layout;
  /** In site order. */
  readonly inputs: readonly Input[];
  readonly readUpload: (upload: string, offset: number, length: number) => OwnedBytes;
  readonly readBase: (offset: number, length: number) => OwnedBytes;
  /** For inputs that several pieces, or pieces of several tensors, are read of. */
  readonly cache: RowCache;
}

/** Bytes of one dtype that are folded in one call: of one tensor, or of neighbours. */
export interface Piece {
  readonly spans: readonly [Span, ...Span[]];
  readonly begin: number;
  readonly end: number;
}

const sent = ({ layout }: Input, { entry }: Span): boolean => layout.byName.has(entry.name);

/**
 * A cell of the model (bytes [from, to) of its data region: one row) in pieces. An aggregator without a scan treats every
 * element alike, so that neighbours of one dtype that the same sites sent are one piece: a row of a hundred small tensors
 * is then read once a site and folded in one call.
 */
export const piecesOf = (cells: Cells, from: number, to: number): Piece[] => {
  const { aggregator, base, inputs } = cells;
  const others = inputs.filter(({ layout }) => layout !== base);
  const alike = (a: Span, b: Span): boolean =>
    aggregator.scan === undefined &&
    a.entry.dtype === b.entry.dtype &&
    others.every((input) => sent(input, a) === sent(input, b));
  const runs: [Span, ...Span[]][] = [];
  for (const span of spansOf(base, from, to)) {
    const last = runs.at(-1);
    if (last && alike(last[0], span)) last.push(span);
    else runs.push([span]);
  }
  return runs.map((spans) => ({
    spans,
    begin: spans[0].begin,
    end: (spans.at(-1) ?? spans[0]).end,
  }));
};

/** One site's bytes of a span, as numbers of the model's dtype: of a quantised tensor, the blocks that it touches are decoded. */
const readSpan = (
  { upload, layout, coding }: Input,
  { entry, begin, end }: Span,
  target: Uint8Array,
  cache: RowCache,
): void => {
  const own = layout.byName.get(entry.name) as TensorEntry;
  const copy = (at: number, to: Uint8Array): void =>
    cache.copy(upload, layout.dataBytes, own.begin + at, to);
  const [from, to] = [begin - entry.begin, end - entry.begin];
  if (!coding?.before.has(entry.name)) return copy(from, target);
  let codes: OwnedBytes = new Uint8Array(0);
  const bytes = decodeBytes(coding.codec, entry, [from, to], (first, last) => {
    codes = new Uint8Array(last - first);
    copy(first, codes);
    return codes;
  });
  target.set(bytes);
  free(codes);
  free(bytes as OwnedBytes);
};

/** Some sites' bytes of a piece, each freed when the next is asked for. `alone`: the cell has no other piece. */
function* slicesOf(
  { base, readUpload, cache }: Cells,
  piece: Piece,
  inputs: readonly Input[],
  alone: boolean,
): Generator<Slice> {
  for (const input of inputs) {
    const { site, weight, upload, layout, coding } = input;
    let bytes: OwnedBytes;
    if (layout === base && !coding && alone)
      bytes = readUpload(upload, piece.begin, piece.end - piece.begin);
    else {
      if (!sent(input, piece.spans[0])) continue;
      bytes = new Uint8Array(piece.end - piece.begin);
      for (const span of piece.spans) {
        const target = bytes.subarray(span.begin - piece.begin, span.end - piece.begin);
        readSpan(input, span, target, cache);
      }
    }
    try {
      yield { site, weight, bytes };
    } finally {
      free(bytes);
    }
  }
}

/** Shows a piece to the aggregator as a chunk. */
const onChunk = <T>(cells: Cells, { spans, begin, end }: Piece, visit: (chunk: Chunk) => T): T => {
  const { kernel, paramsType, readBase } = cells;
  const { name, dtype } = spans[0].entry;
  let read: OwnedBytes | undefined;
  const global = (): OwnedBytes => (read ??= readBase(begin, end - begin));
  const elements = (end - begin) / DTYPES[dtype].bytes;
  const value = visit({ kernel, tensor: name, dtype, elements, paramsType, global });
  if (read) free(read);
  return value;
};

/** Makes a row of the new model, a piece at a time. */
const rowOf = (
  cells: Cells,
  pieces: readonly Piece[],
  fold: (piece: Piece, chunk: Chunk, n: number) => OwnedBytes,
): OwnedBytes => {
  const from = pieces[0]?.begin ?? 0;
  const row = new Uint8Array((pieces.at(-1)?.end ?? 0) - from);
  for (const [n, piece] of pieces.entries()) {
    const folded = onChunk(cells, piece, (chunk) => fold(piece, chunk, n));
    if (folded.length !== piece.end - piece.begin) {
      throw new RangeError(`${cells.aggregator.name} made ${folded.length} bytes of a chunk`);
    }
    row.set(folded, piece.begin - from);
    free(folded);
  }
  return row;
};

/** The cell's row of the new model, of all sites at once. */
export const foldCell = (cells: Cells, pieces: readonly Piece[], plan: PlanOf): OwnedBytes => {
  const alone = pieces.length === 1;
  return rowOf(cells, pieces, (piece, chunk) =>
    cells.aggregator.fold(slicesOf(cells, piece, cells.inputs, alone), chunk, plan),
  );
};

type Batches = NonNullable<Aggregator['batches']>;

/** What some sites of a cell came to, by piece. */
export type Sums = readonly OwnedBytes[];

/** Adds the next sites of a cell to the sums of those before. */
export const addSites = (
  cells: Cells,
  batches: Batches,
  pieces: readonly Piece[],
  before: Sums | null,
  inputs: readonly Input[],
): Sums => {
  const alone = pieces.length === 1;
  // Each piece reads each site: no more sites at once than the cache keeps rows of.
  const size = alone ? inputs.length : ROWS_KEPT;
  let sums = before;
  for (let at = 0; at < inputs.length; at += size) {
    const batch = inputs.slice(at, at + size);
    sums = pieces.map((piece, n): OwnedBytes => {
      const sum = sums?.[n] ?? null;
      const slices = slicesOf(cells, piece, batch, alone);
      const next = onChunk(cells, piece, (chunk) => batches.add(sum, slices, chunk));
      if (sum) free(sum);
      return next;
    });
  }
  return sums ?? [];
};

/** The cell's row of the new model, once all sites are added. Frees the sums. */
export const finishCell = (
  cells: Cells,
  batches: Batches,
  pieces: readonly Piece[],
  sums: Sums,
): OwnedBytes =>
  rowOf(cells, pieces, (_, chunk, n) => {
    const sum = sums[n] as OwnedBytes;
    const folded = batches.finish(sum, chunk);
    free(sum);
    return folded;
  });

type PlanOf = Parameters<Aggregator['fold']>[2];

/** Shows a cell to the aggregator's scan. -> its plan so far */
export const scanCell = (
  cells: Cells,
  scan: NonNullable<Aggregator['scan']>,
  before: NonNullable<PlanOf>,
  pieces: readonly Piece[],
): NonNullable<PlanOf> => {
  let plan = before;
  for (const piece of pieces) {
    const slices = slicesOf(cells, piece, cells.inputs, pieces.length === 1);
    plan = onChunk(cells, piece, (chunk) => scan.visit(plan, slices, chunk)) as NonNullable<PlanOf>;
  }
  return plan;
};
