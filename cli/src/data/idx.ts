import { DataError } from './dataset.ts';
import type { Elements, NdArray } from './dataset.ts';

type Read = (view: DataView, count: number) => Elements;

const each = <T extends Elements>(into: T, read: (i: number) => number): T => {
  for (let i = 0; i < into.length; i++) into[i] = read(i);
  return into;
};

/** IDX's type codes; elements are big-endian (http://yann.lecun.com/exdb/mnist). */
const TYPES: Readonly<Record<number, { readonly width: number; readonly read: Read }>> = {
  0x08: { width: 1, read: (v, n) => each(new Uint8Array(n), (i) => v.getUint8(i)) },
  0x09: { width: 1, read: (v, n) => each(new Int8Array(n), (i) => v.getInt8(i)) },
  0x0b: { width: 2, read: (v, n) => each(new Int16Array(n), (i) => v.getInt16(i * 2)) },
  0x0c: { width: 4, read: (v, n) => each(new Int32Array(n), (i) => v.getInt32(i * 4)) },
  0x0d: { width: 4, read: (v, n) => each(new Float32Array(n), (i) => v.getFloat32(i * 4)) },
  0x0e: { width: 8, read: (v, n) => each(new Float64Array(n), (i) => v.getFloat64(i * 8)) },
};

/** Two zero bytes, a type code and a number of dimensions. */
export const isIdx = (head: Uint8Array): boolean =>
  head[0] === 0 && head[1] === 0 && TYPES[head[2] ?? 0] !== undefined && (head[3] ?? 0) > 0;

/** Number of dimensions in an IDX file's first 4 bytes: 1 for labels, 3 for images. */
export const idxRank = (head: Uint8Array): number => head[3] ?? 0;

/** Reads an IDX file (MNIST's format). Throws DataError where its header and length disagree. */
export const parseIdx = (file: string, bytes: Uint8Array): NdArray => {
  const type = TYPES[bytes[2] ?? 0];
  if (!isIdx(bytes) || !type) throw new DataError(file, 'not an IDX file');
  const rank = idxRank(bytes);
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw new DataError(file, 'header is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = shape.reduce((n, d) => n * d, 1);
  if (bytes.length !== start + count * type.width) {
    const got = bytes.length - start;
    throw new DataError(
      file,
      `expected ${count * type.width} bytes for [${shape.join()}], got ${got}`,
    );
  }
  return { data: type.read(new DataView(bytes.buffer, bytes.byteOffset + start), count), shape };
};

/** IDX images `[n, height, width]` as `[n, 1, height, width]`, what a convolution takes; others as they are. */
export const withChannel = ({ data, shape }: NdArray): NdArray => {
  const [n, ...rest] = shape;
  return { data, shape: rest.length === 2 && n !== undefined ? [n, 1, ...rest] : shape };
};
