import type { Kernel } from '../../core/aggregators/kernel.ts';
import { DTYPES } from '../../core/tensors/dtype.ts';
import type { Layout, TensorEntry } from '../../core/tensors/layout.ts';

/** The part [begin, end) of the data region that lies in one tensor. */
export interface Span {
  readonly entry: TensorEntry;
  readonly begin: number;
  readonly end: number;
}

/** Cuts bytes [from, to) of a data region at tensor borders. Tensors without elements have no span. */
export function* spansOf({ entries }: Layout, from: number, to: number): Generator<Span> {
  let low = 0;
  for (let high = entries.length; low < high;) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as TensorEntry).end <= from) low = middle + 1;
    else high = middle;
  }
  for (let entry = entries[low]; entry && entry.begin < to; entry = entries[++low]) {
    if (entry.end === entry.begin) continue;
    yield { entry, begin: Math.max(entry.begin, from), end: Math.min(entry.end, to) };
  }
}

/** Where a tensor stops being numbers. */
export interface NonFinite {
  readonly tensor: string;
  /** Index of the element in the tensor, row-major. */
  readonly index: number;
}

/** First element among `bytes`, which lie at `from` in the data region, that is NaN or infinite. */
export const firstNonFinite = (
  kernel: Kernel,
  layout: Layout,
  from: number,
  bytes: Uint8Array,
): NonFinite | undefined => {
  for (const { entry, begin, end } of spansOf(layout, from, from + bytes.length)) {
    const at = kernel.firstNonFinite(entry.dtype, bytes.subarray(begin - from, end - from));
    if (at < 0) continue;
    return { tensor: entry.name, index: (begin - entry.begin) / DTYPES[entry.dtype].bytes + at };
  }
  return undefined;
};

/** Whether the same tensors (names, hence dtypes and shapes, having been matched) lie at the same places. */
export const sameTable = (a: Layout, b: Layout): boolean =>
  a === b ||
  (a.entries.length === b.entries.length &&
    a.entries.every(({ name, begin }, i) => {
      const other = b.entries[i];
      return other !== undefined && other.name === name && other.begin === begin;
    }));
