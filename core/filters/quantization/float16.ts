import { fromFloat64, toFloat64 } from '../../tensors/elements.ts';
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
  encode({ dtype }, data) {
    const values = toFloat64(dtype, data);
    for (let i = 0; i < values.length; i++) {
      values[i] = Math.min(Math.max(values[i] as number, -MOST), MOST);
    }
    return fromFloat64('F16', values);
  },
  decode: ({ dtype }, data, count) => fromFloat64(dtype, toFloat64('F16', data.subarray(0, count))),
};
