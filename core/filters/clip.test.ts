import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toFloat64 } from '../tensors/elements.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { clip } from './clip.ts';
import type { Filter } from './filter.ts';
import { attempt } from './filtering.suite.ts';
import { collect } from './tensor-source.ts';

const made = (norm: number): Filter => {
  const filter = clip.make({ norm });
  if (!filter.ok) throw new Error('clip refused its arguments');
  return filter.value;
};
const f32 = (...values: number[]): Tensor => ({
  dtype: 'F32',
  shape: [values.length],
  data: Float32Array.from(values),
});
const roles = new Map<string, TensorRole>([['stat', 'buffer']]);
const apply = (norm: number, tensors: Tensors, paramsType: 'FULL' | 'DIFF' = 'DIFF') => {
  const kind = paramsType === 'FULL' ? 'WEIGHTS' : 'WEIGHT_DIFF';
  const result = attempt([made(norm)], tensors, { roles, parcel: { kind } });
  return result.ok ? { ok: true as const, value: collect(result.value.tensors) } : result;
};
const normOf = (tensors: Tensors): number =>
  Math.hypot(...[...tensors.values()].flatMap((t) => [...toFloat64(t.dtype, t.data)]));

test('the norm is over all trainable tensors together: 3-4-5', () => {
  const tensors: Tensors = new Map([
    ['a', f32(3)],
    ['b', f32(0, -4)],
  ]);
  expect(apply(2.5, tensors)).toEqual({
    ok: true,
    value: new Map([
      ['a', f32(1.5)],
      ['b', f32(0, -2)],
    ]),
  });
  expect(tensors.get('a')).toEqual(f32(3));
});

test('a short update, buffers and integers are left as they are', () => {
  const stat = f32(1000);
  const count: Tensor = { dtype: 'I64', shape: [], data: BigInt64Array.of(99n) };
  const tensors: Tensors = new Map([
    ['a', f32(3)],
    ['stat', stat],
    ['count', count],
  ]);
  expect(apply(3, tensors)).toEqual({ ok: true, value: tensors });
  expect(apply(5, tensors)).toEqual({ ok: true, value: tensors });
  const clipped = apply(1, tensors);
  expect(clipped).toMatchObject({ ok: true });
  if (clipped.ok) expect([...clipped.value.values()]).toEqual([f32(1), stat, count]);
});

test('float16: 3-4-5 in half precision', () => {
  const tensors: Tensors = new Map([
    ['a', { dtype: 'F16', shape: [2], data: Uint16Array.of(0x4200, 0xc400) }],
  ]);
  const result = apply(2.5, tensors);
  if (!result.ok) throw new Error(result.error.detail);
  expect([...(result.value.get('a')?.data ?? [])]).toEqual([0x3e00, 0xc000]); // 1.5, -2
});

test('the norm afterwards is at most the bound, and the direction stays', () => {
  const values = fc.array(fc.float({ noNaN: true, min: -(2 ** 60), max: 2 ** 60 }), {
    minLength: 1,
  });
  fc.assert(
    fc.property(values, values, fc.double({ min: 1e-3, max: 1e3, noNaN: true }), (a, b, norm) => {
      const tensors: Tensors = new Map([
        ['a', f32(...a)],
        ['b', f32(...b)],
      ]);
      const result = apply(norm, tensors);
      if (!result.ok) throw new Error(result.error.detail);
      const [before, after] = [normOf(tensors), normOf(result.value)];
      expect(after).toBeLessThanOrEqual(Math.min(before, norm) * (1 + 1e-6));
      expect(after).toBeGreaterThanOrEqual(Math.min(before, norm) * (1 - 1e-6));
    }),
  );
});

test('FULL parameters, NaN and infinity are declined', () => {
  const fault = (value: number, type: 'FULL' | 'DIFF') =>
    apply(1, new Map([['a', f32(value)]]), type);
  expect(fault(5, 'FULL')).toMatchObject({ error: { reason: 'needs-diff', filter: 'clip' } });
  expect(fault(NaN, 'DIFF')).toMatchObject({ error: { reason: 'non-finite' } });
  expect(fault(Infinity, 'DIFF')).toMatchObject({ error: { reason: 'non-finite' } });
});

test.each([
  {},
  { norm: 0 },
  { norm: -1 },
  { norm: '1' },
  { norm: 1, x: 1 },
  { norm: Infinity },
  null,
])('arguments %j are refused', (args) => {
  expect(clip.make(args)).toMatchObject({ ok: false });
});
