import { expect, test } from 'vitest';
import type { Tensor } from '../../tensors/tensor.ts';
import type { Attributes } from '../attribute.ts';
import { Emitter } from '../emitter.ts';
import { f32 } from '../runtime.suite.ts';

const int64 = (...values: number[]): Tensor => ({
  dtype: 'I64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

/** What is known of the last of some operations on x [batch, 6] and constants; each reads the one before as `_`. */
const knownOf = (...ops: [op: string, inputs: (string | Tensor)[], attributes?: Attributes][]) => {
  const g = new Emitter(17);
  let last = g.input('x', { dtype: 'F32', shape: ['batch', 6] });
  for (const [op, inputs, attributes] of ops) {
    const names = inputs.map((of) =>
      typeof of !== 'string' ? g.constant(of) : of === '_' ? last : of,
    );
    last = g.op(op, names, attributes);
  }
  return g.known.get(last);
};

test('sizes computed in floats, as for an interpolation', () => {
  const size = knownOf(
    ['Shape', ['x'], { start: 1 }],
    ['Cast', ['_'], { to: 1 }],
    ['Mul', ['_', f32([1], [2])]],
    ['Floor', ['_']],
    ['Cast', ['_'], { to: 7 }],
    ['Concat', [int64(3), '_'], { axis: 0 }],
  );
  expect(size).toEqual([3, 12]);
});

test('half of an odd size is a whole number for integers only', () => {
  const odd = (to: number) =>
    knownOf(
      ['Shape', ['x'], { start: 1 }],
      ['Sub', ['_', int64(1)]],
      ['Cast', ['_'], { to }],
      ['Div', ['_', to === 1 ? f32([1], [2]) : int64(2)]],
    );
  expect(odd(7)).toEqual([2]);
  expect(odd(1)).toBeUndefined();
});

test('a symbol goes through what keeps it, and through nothing else', () => {
  expect(knownOf(['Shape', ['x'], { end: 1 }], ['Mul', ['_', int64(4)]])).toEqual(['4*batch']);
  expect(knownOf(['Shape', ['x'], { end: 1 }], ['Neg', ['_']])).toBeUndefined();
  expect(knownOf(['Shape', ['x']], ['ReduceProd', ['_'], { keepdims: 0 }])).toEqual(['6*batch']);
  expect(knownOf(['Shape', ['x']], ['ReduceMax', ['_'], { keepdims: 0 }])).toBeUndefined();
});

test('lists: ranges, repeats, choices', () => {
  const scalar = (value: number): Tensor => ({ ...int64(value), shape: [] });
  expect(knownOf(['Range', [scalar(1), scalar(8), scalar(3)]])).toEqual([1, 4, 7]);
  expect(knownOf(['Tile', [int64(1, 2), int64(2)]])).toEqual([1, 2, 1, 2]);
  expect(knownOf(['Expand', [int64(5), int64(3)]])).toEqual([5, 5, 5]);
  expect(knownOf(['Less', [int64(1, 5), int64(3)]], ['Where', ['_', int64(7), int64(9)]])).toEqual([
    7, 9,
  ]);
  expect(knownOf(['Max', [int64(1), int64(2), int64(3)]])).toBeUndefined();
});
