import { unzipSync, zipSync } from 'fflate';
import { DataError, toLabels } from './dataset.ts';
import type { Examples, Labels, NdArray } from './dataset.ts';
import { encodeNpy, parseNpy } from './npy.ts';

/** A zip archive, NumPy's `savez`. */
export const isNpz = (head: Uint8Array): boolean =>
  head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;

/**
 * Reads an `.npz` with arrays `x` (examples first) and `y` (class numbers or, for `numbers`, any); the others are `more`.
 * Throws DataError otherwise.
 */
export const parseNpz = (
  file: string,
  bytes: Uint8Array,
  { numbers = false }: { readonly numbers?: boolean } = {},
): Examples<Labels | NdArray> => {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (error) {
    throw new DataError(file, `not a readable zip archive (${(error as Error).message})`);
  }
  const arrays = new Map(
    Object.entries(entries).map(([entry, data]) => [entry.replace(/\.npy$/, ''), data]),
  );
  const array = (name: string): NdArray => {
    const entry = arrays.get(name);
    if (entry) return parseNpy(`${file}[${name}]`, entry);
    const held = [...arrays.keys()].join(', ') || 'none';
    throw new DataError(file, `expected arrays x and y, got ${held}`);
  };
  const x = array('x');
  const y = array('y');
  if (x.shape.length < 2) {
    throw new DataError(file, `x: expected 2 or more dimensions, got ${x.shape.length}`);
  }
  const count = x.shape[0] ?? 0;
  const others = [...arrays.keys()].filter((name) => name !== 'x' && name !== 'y');
  const more = Object.fromEntries(others.map((name) => [name, array(name)]));
  if (numbers && y.shape[0] !== count) {
    throw new DataError(file, `y: expected ${count} rows, got ${y.shape[0] ?? 'a single number'}`);
  }
  return {
    x,
    y: numbers ? y : toLabels(file, 'y', y.data, count),
    ...(others.length > 0 && { more }),
  };
};

/** Writes `x` and `y` as an uncompressed `.npz`; the same examples give the same bytes. */
export const encodeNpz = ({ x, y }: Examples): Uint8Array =>
  zipSync(
    { 'x.npy': encodeNpy(x), 'y.npy': encodeNpy({ data: y, shape: [y.length] }) },
    { level: 0, mtime: new Date('1980-01-01T00:00:00') },
  );
