import type { TensorSource } from '../../core/filters/tensor-source.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Layout, TensorEntry } from '../../core/tensors/layout.ts';
import { typed } from '../../core/tensors/safetensors.ts';
import { free } from '../bytes/chunk-rows.ts';
import type { OwnedBytes } from '../bytes/chunk-rows.ts';

/** Tensors in rows as a source: each piece lies in one row, and is freed when the next is asked for. */
export const storedSource = (
  { entries }: Layout,
  read: (offset: number, length: number) => OwnedBytes,
): TensorSource => ({
  specs: entries,
  *read(index) {
    const { dtype, begin, end } = entries[index] as TensorEntry;
    for (let at = begin; at < end;) {
      const next = Math.min(end, (Math.floor(at / LIMITS.rowBytes) + 1) * LIMITS.rowBytes);
      const bytes = read(at, next - at);
      try {
        yield typed(dtype, bytes);
      } finally {
        free(bytes);
      }
      at = next;
    }
  },
});

/**
 * The data region that a source's tensors fill in a layout, from byte `from` (the beginning of a row) on, in rows of 1 MiB
 * that the reader frees. What lies before in the same tensor is made again and dropped.
 */
export function* rowsOf(source: TensorSource, layout: Layout, from = 0): Generator<OwnedBytes> {
  const places = new Map(source.specs.map(({ name }, index) => [name, index]));
  let at = from;
  let filled = 0;
  const next = (): OwnedBytes => new Uint8Array(Math.min(LIMITS.rowBytes, layout.dataBytes - at));
  let row = next();
  for (const { name, begin, end } of layout.entries) {
    if (end <= from) continue;
    let offset = begin;
    for (const { buffer, byteOffset, byteLength } of source.read(places.get(name) as number)) {
      let left = new Uint8Array(buffer, byteOffset, byteLength).subarray(
        Math.max(0, from - offset),
      );
      offset += byteLength;
      while (left.length > 0) {
        const part = left.subarray(0, row.length - filled);
        row.set(part, filled);
        filled += part.length;
        left = left.subarray(part.length);
        if (filled < row.length) continue;
        at += filled;
        yield row;
        row = next();
        filled = 0;
      }
    }
  }
}
