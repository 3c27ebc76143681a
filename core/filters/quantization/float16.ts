import { mapFloat64 } from '../../tensors/elements.ts';
import type { Codec } from './codec.ts';

/** The largest finite float16. */
const MOST = 65504;

/** Half precision, larger values cut to +-65504: FLARE's float16. A block is one element. */
export const float16: Codec = {
  type: 'float16',
  bits: 16,
  elements: 1,
  coded: (elements) => elements,
  becomes: (spec) => ({ ...spec, dtype: 'F16' }),
  encode: ({ dtype }, data) =>
    mapFloat64(dtype, data, 'F16', (x) => Math.min(Math.max(x, -MOST), MOST)),
  decode: ({ dtype }, data, count) => mapFloat64('F16', data.subarray(0, count), dtype, (x) => x),
};
