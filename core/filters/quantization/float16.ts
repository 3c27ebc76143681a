import { mapFloat64 } from '../../tensors/elements.ts';
import { fromF16 } from '../../tensors/half.ts';
import type { Codec } from './codec.ts';

/** The largest finite float16. */
const MOST = 65504;

/** Every float16's value, once it is needed: a fold looks up millions. */
let values: Float32Array | undefined;

/** Half precision, larger values cut to +-65504: FLARE's float16. A block is one element. */
export const float16: Codec = {
  type: 'float16',
  bits: 16,
  elements: 1,
  coded: (elements) => elements,
  becomes: (spec) => ({ ...spec, dtype: 'F16' }),
  encode: ({ dtype }, data) =>
    mapFloat64(dtype, data, 'F16', (x) => Math.min(Math.max(x, -MOST), MOST)),
  decode({ dtype }, data, count) {
    if (dtype !== 'F32') return mapFloat64('F16', data.subarray(0, count), dtype, (x) => x);
    values ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => fromF16(bits));
    const made = new Float32Array(count);
    for (let i = 0; i < count; i++) made[i] = values[data[i] as number] as number;
    return made;
  },
};
