import { DataError } from './dataset.ts';
import type { Elements, NdArray } from './dataset.ts';

type Decode = (bytes: Uint8Array<ArrayBuffer>) => Elements;

/** NumPy's dtype codes, little-endian or of one byte, to typed arrays. `bytes` starts at an aligned address. */
const DECODERS: Readonly<Record<string, { readonly width: number; readonly decode: Decode }>> = {
  '|u1': { width: 1, decode: (b) => b },
  '|b1': { width: 1, decode: (b) => b },
  '|i1': { width: 1, decode: (b) => new Int8Array(b.buffer) },
  '<u2': { width: 2, decode: (b) => new Uint16Array(b.buffer) },
  '<i2': { width: 2, decode: (b) => new Int16Array(b.buffer) },
  '<i4': { width: 4, decode: (b) => new Int32Array(b.buffer) },
  '<i8': { width: 8, decode: (b) => new BigInt64Array(b.buffer) },
  '<f4': { width: 4, decode: (b) => new Float32Array(b.buffer) },
  '<f8': { width: 8, decode: (b) => new Float64Array(b.buffer) },
};

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY

const field = (header: string, pattern: RegExp): string | undefined => header.match(pattern)?.[1];

/**
 * Reads one `.npy` file (versions 1 to 3; NumPy Enhancement Proposal 1). `file` names it in errors. Throws DataError on
 * anything but a C-ordered array of a plain numeric dtype.
 */
export const parseNpy = (file: string, bytes: Uint8Array): NdArray => {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new DataError(file, 'not an .npy array (no \\x93NUMPY at the start)');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const long = view.getUint8(6) >= 2;
  const start = long ? 12 : 10;
  const end = start + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  if (end > bytes.length) throw new DataError(file, `header of ${end} bytes is cut off`);
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, end));

  const descr = field(header, /'descr':\s*'([^']+)'/) ?? 'none';
  const decoder = DECODERS[descr];
  if (!decoder) {
    throw new DataError(
      file,
      `dtype: expected one of ${Object.keys(DECODERS).join(' ')}, got ${descr}`,
    );
  }
  if (field(header, /'fortran_order':\s*(True|False)/) !== 'False') {
    throw new DataError(file, 'expected C order; save it with numpy.ascontiguousarray');
  }
  const dims = field(header, /'shape':\s*\(([^)]*)\)/);
  if (dims === undefined) throw new DataError(file, 'header has no shape');
  const shape = dims
    .split(',')
    .map((d) => d.trim())
    .filter((d) => d !== '')
    .map(Number);
  if (shape.some((d) => !Number.isSafeInteger(d) || d < 0)) {
    throw new DataError(file, `shape: (${dims}) is not one`);
  }
  const expected = shape.reduce((n, d) => n * d, 1) * decoder.width;
  if (bytes.length - end !== expected) {
    throw new DataError(
      file,
      `expected ${expected} bytes of ${descr} data, got ${bytes.length - end}`,
    );
  }
  return { data: decoder.decode(new Uint8Array(bytes.subarray(end))), shape };
};

const CODES: readonly (readonly [new (n: number) => Elements, string])[] = [
  [Uint8Array, '|u1'],
  [Int8Array, '|i1'],
  [Uint16Array, '<u2'],
  [Int16Array, '<i2'],
  [Int32Array, '<i4'],
  [BigInt64Array, '<i8'],
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
];

/** Writes an `.npy` file (version 1, header padded to 64 bytes as NumPy pads it). */
export const encodeNpy = ({ data, shape }: NdArray): Uint8Array<ArrayBuffer> => {
  const code = CODES.find(([Kind]) => data instanceof Kind)?.[1] ?? '|u1';
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${code}', 'fortran_order': False, 'shape': (${dims}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const file = new Uint8Array(10 + length + data.byteLength);
  file.set([...MAGIC, 1, 0, length & 255, length >> 8]);
  file.set(new TextEncoder().encode(`${text.padEnd(length - 1)}\n`), 10);
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + length);
  return file;
};
