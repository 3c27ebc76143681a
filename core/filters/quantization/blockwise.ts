import { mapFloat64 } from '../../tensors/elements.ts';
import { release } from '../../tensors/release.ts';
import { sizeOf } from '../../tensors/tensor.ts';
import { codedSize } from './codec.ts';
import type { Codec } from './codec.ts';

/** Bytes of a block's largest absolute value, a float32, which its codes follow. */
const HEAD = 4;

/** Below this bitsandbytes divides by it instead: its inverse is still a float32. */
const LEAST = Math.fround(1e-38);

/** A table of values in [-1, 1]: how codes are found, packed and read. */
export interface CodeTable {
  readonly type: string;
  readonly bits: 8 | 4;
  /** Elements that share a largest value. */
  readonly elements: number;
  /** Value of each code. */
  readonly values: Float32Array;
  /** Code of a float32 in [-1, 1]. */
  codeOf(x: number): number;
}

/**
 * Codes each block by its largest absolute value and the nearest table value of each element over it; 4-bit codes two a
 * byte, the first in the upper half. Codes and largest values are those of bitsandbytes (Dettmers et al. 2022, "8-bit
 * Optimizers via Block-wise Quantization"; 2023, "QLoRA"), which FLARE's ModelQuantizer calls; here they lie together.
 */
export const blockwise = (table: CodeTable): Codec => {
  const { type, bits, elements, values } = table;
  const coded = (count: number): number => HEAD + Math.ceil((count * bits) / 8);
  const parts = { elements, coded };

  return {
    type,
    bits,
    elements,
    coded,
    becomes: ({ name, shape }) => ({ name, dtype: 'U8', shape: [codedSize(parts, sizeOf(shape))] }),
    encode({ dtype }, data) {
      const source = (
        dtype === 'F32' ? data : mapFloat64(dtype, data, 'F32', (x) => x)
      ) as Float32Array;
      const bytes = new Uint8Array(codedSize(parts, source.length));
      const view = new DataView(bytes.buffer);
      let at = 0;
      for (let from = 0; from < source.length; from += elements) {
        const block = source.subarray(from, from + elements);
        const most = block.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
        const inverse = Math.fround(1 / Math.max(most, LEAST));
        view.setFloat32(at, most, true);
        at += HEAD;
        const padded = Math.ceil((block.length * bits) / 8) * (8 / bits);
        for (let i = 0; i < padded; i++) {
          const x = Math.fround((block[i] ?? 0) * inverse);
          const code = table.codeOf(Math.min(Math.max(x, -1), 1));
          if (bits === 8) bytes[at + i] = code;
          else bytes[at + (i >> 1)] = (bytes[at + (i >> 1)] as number) | (code << (i % 2 ? 0 : 4));
        }
        at += coded(block.length) - HEAD;
      }
      if (source !== data) release(source);
      return bytes;
    },
    decode({ dtype }, data, count) {
      const bytes = data as Uint8Array;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const out = new Float32Array(count);
      let to = 0;
      for (let at = 0; to < count; at += coded(elements)) {
        const most = view.getFloat32(at, true);
        const here = Math.min(elements, count - to);
        for (let i = 0; i < here; i++) {
          const byte = bytes[at + HEAD + ((i * bits) >> 3)] as number;
          const code = bits === 8 ? byte : i % 2 ? byte & 15 : byte >> 4;
          out[to++] = (values[code] as number) * most;
        }
      }
      if (dtype === 'F32') return out;
      const made = mapFloat64('F32', out, dtype, (x) => x);
      release(out);
      return made;
    },
  };
};

/** Index of the nearest of ascending values, of two equally near the lower: by the float32 midpoints between them. */
export const nearest = (ascending: readonly number[]): ((x: number) => number) => {
  const bounds = Float32Array.from(ascending.slice(1), (high, i) =>
    Math.fround(Math.fround((ascending[i] as number) + high) / 2),
  );
  return (x) => {
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bounds[middle] as number) < x) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};
