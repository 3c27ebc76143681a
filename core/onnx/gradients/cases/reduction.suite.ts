/** Cases of the reductions: some axes, or all, as an attribute or an input. */
import * as fc from 'fast-check';
import { filled, int64, seed, shapes } from './case.suite.ts';
import type { Case, Values } from './case.suite.ts';

const reduction = (values: Values, change = (value: number): number => value): fc.Arbitrary<Case> =>
  shapes().chain((shape) =>
    fc
      .tuple(fc.subarray([...shape.keys()]), fc.constantFrom(0, 1), fc.constantFrom(17, 18), seed)
      .map(([axes, keepdims, opset, s]) => {
        const x = filled(shape, s, values);
        const named = axes.length > 0;
        return {
          opset,
          inputs: [{ ...x, data: Float32Array.from(x.data, Number).map(change) }],
          ...(opset === 18 && named && { wiring: [0, int64(axes)] }),
          attributes: { keepdims, ...(opset === 17 && named && { axes }) },
        };
      }),
  );

/** ReduceSum took its axes as an input before the others did. */
const sum = reduction('any').map(({ attributes: { axes, ...rest } = {}, ...of }): Case => ({
  ...of,
  ...(Array.isArray(axes) && { wiring: [0, int64(axes as number[])] }),
  attributes: rest,
}));

export const REDUCTION: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  ReduceL1: reduction('apart'),
  ReduceL2: reduction('apart'),
  ReduceLogSum: reduction('positive'),
  ReduceLogSumExp: reduction('any'),
  ReduceMax: reduction('apart'),
  ReduceMean: reduction('any'),
  ReduceMin: reduction('apart'),
  ReduceProd: reduction('any', (value) => (Math.abs(value) < 0.4 ? 0 : value)),
  ReduceSum: sum,
  ReduceSumSquare: reduction('any'),
};
