import type { Aggregator, Chunk, Slice } from '../core/aggregators/aggregator.ts';
import type { Kernel } from '../core/aggregators/kernel.ts';
import type { ParamsType } from '../core/protocol/fl-model.ts';
import { DTYPES } from '../core/tensors/dtype.ts';
import type { Layout, TensorEntry } from '../core/tensors/layout.ts';
import { free } from './chunk-rows.ts';
import type { OwnedBytes } from './chunk-rows.ts';
import type { RowCache } from './row-cache.ts';
import { spansOf } from './spans.ts';
import type { Span } from './spans.ts';

/** One site's update in a fold. */
export interface Input {
  readonly site: string;
  readonly weight: number;
  readonly upload: string;
  readonly layout: Layout;
}

/** All that folding one cell needs. */
export interface Cells {
  readonly kernel: Kernel;
  readonly aggregator: Aggregator;
  readonly paramsType: ParamsType;
  readonly partial: boolean;
  /** The model's; an input with this very layout has its bytes at the same places. */
  readonly base: Layout;
  /** In site order. */
  readonly inputs: readonly Input[];
  readonly readUpload: (upload: string, offset: number, length: number) => OwnedBytes;
  readonly readBase: (offset: number, length: number) => OwnedBytes;
  /** For inputs with layouts of their own. */
  readonly cache: RowCache;
}

/** Bytes of one dtype that are folded in one call: of one tensor, or of neighbours. */
interface Piece {
  readonly spans: readonly [Span, ...Span[]];
  readonly begin: number;
  readonly end: number;
}

/**
 * A cell of the model (bytes [from, to) of its data region: one row) in pieces. An aggregator without a scan treats every
 * element alike, so that neighbours of one dtype that all sites sent are one piece: a row of a hundred small tensors is
 * then read once a site and folded in one call.
 */
const piecesOf = (cells: Cells, from: number, to: number): Piece[] => {
  const merge = !cells.partial && cells.aggregator.scan === undefined;
  const pieces: Piece[] = [];
  for (const span of spansOf(cells.base, from, to)) {
    const last = pieces.at(-1);
    if (merge && last && last.spans[0].entry.dtype === span.entry.dtype) {
      pieces[pieces.length - 1] = { ...last, spans: [...last.spans, span], end: span.end };
    } else pieces.push({ spans: [span], begin: span.begin, end: span.end });
  }
  return pieces;
};

/** The sites' bytes of a piece, each freed when the next is asked for. */
function* slicesOf({ inputs, base, readUpload, cache }: Cells, piece: Piece): Generator<Slice> {
  for (const { site, weight, upload, layout } of inputs) {
    let bytes: OwnedBytes;
    if (layout === base) bytes = readUpload(upload, piece.begin, piece.end - piece.begin);
    else {
      if (!layout.byName.has(piece.spans[0].entry.name)) continue;
      bytes = new Uint8Array(piece.end - piece.begin);
      for (const { entry, begin, end } of piece.spans) {
        const own = layout.byName.get(entry.name) as TensorEntry;
        const target = bytes.subarray(begin - piece.begin, end - piece.begin);
        cache.copy(upload, layout.dataBytes, own.begin + begin - entry.begin, target);
      }
    }
    try {
      yield { site, weight, bytes };
    } finally {
      free(bytes);
    }
  }
}

function* chunksOf(cells: Cells, from: number, to: number): Generator<readonly [Piece, Chunk]> {
  const { kernel, paramsType, readBase } = cells;
  for (const piece of piecesOf(cells, from, to)) {
    const { name, dtype } = piece.spans[0].entry;
    const elements = (piece.end - piece.begin) / DTYPES[dtype].bytes;
    let read: OwnedBytes | undefined;
    const global = (): OwnedBytes => (read ??= readBase(piece.begin, piece.end - piece.begin));
    yield [piece, { kernel, tensor: name, dtype, elements, paramsType, global }];
    if (read) free(read);
  }
}

/** The new model's bytes [from, to): one row. */
export const foldCell = (cells: Cells, plan: PlanOf, from: number, to: number): OwnedBytes => {
  const row = new Uint8Array(to - from);
  for (const [piece, chunk] of chunksOf(cells, from, to)) {
    const folded = cells.aggregator.fold(slicesOf(cells, piece), chunk, plan);
    if (folded.length !== piece.end - piece.begin) {
      throw new RangeError(`${cells.aggregator.name} made ${folded.length} bytes of a chunk`);
    }
    row.set(folded, piece.begin - from);
    free(folded);
  }
  return row;
};

type PlanOf = Parameters<Aggregator['fold']>[2];

/** Shows a cell to the aggregator's scan. -> its plan so far */
export const scanCell = (
  cells: Cells,
  scan: NonNullable<Aggregator['scan']>,
  before: NonNullable<PlanOf>,
  from: number,
  to: number,
): NonNullable<PlanOf> => {
  let plan = before;
  for (const [piece, chunk] of chunksOf(cells, from, to)) {
    plan = scan.visit(plan, slicesOf(cells, piece), chunk) as NonNullable<PlanOf>;
  }
  return plan;
};
