import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { fromFloat64, toFloat64 } from '../../core/tensors/elements.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';
import { TaskError } from './task-error.ts';

/**
 * Turns params into the type that a task wants: FULL - received = DIFF, received + DIFF = FULL, elementwise in each
 * tensor's dtype. Only the kit converts; the server folds what it is given. Throws TaskError where a tensor isn't in
 * the received model or has another dtype or size.
 */
export const convertParams = (
  params: Tensors,
  from: ParamsType,
  to: ParamsType,
  received: Tensors | undefined,
): Tensors => {
  if (from === to) return params;
  const sign = to === 'DIFF' ? -1 : 1;
  const converted: Tensors = new Map();
  for (const [name, tensor] of params) {
    const base = received?.get(name);
    if (base?.dtype !== tensor.dtype || base.data.length !== tensor.data.length) {
      const why = `'${name}' has no counterpart in the model received`;
      throw new TaskError('EXECUTION_RESULT_ERROR', `${from} to ${to}: ${why}`);
    }
    converted.set(name, { ...tensor, data: combine(tensor, base, sign) });
  }
  return converted;
};

/** `a + sign * b`: one rounding, to the dtype of both. */
const combine = (a: Tensor, b: Tensor, sign: 1 | -1): Tensor['data'] => {
  if (a.data instanceof Float32Array) {
    const sum = new Float32Array(a.data.length);
    const other = b.data as Float32Array;
    for (let i = 0; i < sum.length; i++)
      sum[i] = (a.data[i] as number) + sign * (other[i] as number);
    return sum;
  }
  const sum = toFloat64(a.dtype, a.data);
  const other = toFloat64(b.dtype, b.data);
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + sign * (other[i] as number);
  return fromFloat64(a.dtype, sum);
};
