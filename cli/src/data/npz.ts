import { unzipSync, zipSync } from 'fflate';
import { DataError, toLabels } from './dataset.ts';
import type { Examples, NdArray } from './dataset.ts';
import { encodeNpy, parseNpy } from './npy.ts';

/** A zip archive, NumPy's `savez`. */
export const isNpz = (head: Uint8Array): boolean =>
  head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;

/** Reads an `.npz` with arrays `x` (examples first) and `y` (class numbers). Throws DataError otherwise. */
export const parseNpz = (file: string, bytes: Uint8Array): Examples => {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch (error) {
    throw new DataError(file, `not a readable zip archive (${(error as Error).message})`);
  }
  const array = (name: string): NdArray => {
    const entry = entries[`${name}.npy`];
    if (!entry) {
      const held = Object.keys(entries).map((key) => key.replace(/\.npy$/, ''));
      throw new DataError(file, `expected arrays x and y, got ${held.join(', ') || 'none'}`);
    }
    return parseNpy(`${file}[${name}]`, entry);
  };
  const x = array('x');
  const y = array('y');
  if (x.shape.length < 2) {
    throw new DataError(file, `x: expected 2 or more dimensions, got ${x.shape.length}`);
  }
  return { x, y: toLabels(file, 'y', y.data, x.shape[0] ?? 0) };
};

/** Writes `x` and `y` as an uncompressed `.npz`; the same examples give the same bytes. */
export const encodeNpz = ({ x, y }: Examples): Uint8Array =>
  zipSync(
    { 'x.npy': encodeNpy(x), 'y.npy': encodeNpy({ data: y, shape: [y.length] }) },
    { level: 0, mtime: new Date('1980-01-01T00:00:00') },
  );
