import * as fc from 'fast-check';
import type { Attributes } from '../../attribute.ts';
import { dim, filled, seed } from './case.suite.ts';
import type { Case, Values } from './case.suite.ts';

interface Sliding {
  readonly kernel: readonly number[];
  readonly size: readonly number[];
  readonly attributes: Attributes;
}

/** Windows that fit their input: one to three axes for convolutions, two for pools. */
const sliding = (ranks: readonly number[], padLess: boolean): fc.Arbitrary<Sliding> =>
  fc.constantFrom(...ranks).chain((rank) => {
    const each = <T>(value: fc.Arbitrary<T>) =>
      fc.array(value, { minLength: rank, maxLength: rank });
    return fc
      .record({
        kernel: each(dim(3)),
        strides: each(dim(3)),
        dilations: each(dim(2)),
        begin: each(fc.nat(2)),
        end: each(fc.nat(2)),
        extra: each(fc.nat(3)),
        autoPad: fc.constantFrom('NOTSET', 'NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
      })
      .map(({ kernel, strides, dilations, begin, end, extra, autoPad }) => {
        const auto = autoPad !== 'NOTSET';
        // The runtime refuses a pool whose padding is not smaller than its kernel, and SAME with dilations or gaps.
        const limit = (pads: number[]) =>
          pads.map((by, i) => (padLess ? Math.min(by, (kernel[i] ?? 1) - 1) : by));
        const dilated = auto ? kernel.map(() => 1) : dilations;
        return {
          kernel,
          size: kernel.map((k, i) => (k - 1) * (dilated[i] ?? 1) + 1 + (extra[i] ?? 0)),
          attributes: {
            kernel_shape: kernel,
            strides: auto ? strides.map((by, i) => Math.min(by, kernel[i] ?? 1)) : strides,
            dilations: dilated,
            ...(auto ? { auto_pad: autoPad } : { pads: [...limit(begin), ...limit(end)] }),
          },
        };
      });
  });

export const conv = fc
  .tuple(sliding([1, 2, 2, 2], false), dim(2), dim(2), dim(2), dim(2), fc.boolean(), seed)
  .map(([{ kernel, size, attributes }, batch, group, inputs, outputs, bias, s]): Case => ({
    inputs: [
      filled([batch, group * inputs, ...size], s, 'any'),
      filled([group * outputs, inputs, ...kernel], s + 1, 'any'),
      ...(bias ? [filled([group * outputs], s + 2, 'any')] : []),
    ],
    attributes: { ...attributes, group },
  }));

export const pool = (
  values: Values,
  more: fc.Arbitrary<Attributes>,
  dilated: boolean,
): fc.Arbitrary<Case> =>
  fc
    .tuple(sliding([1, 2, 2], true), dim(2), dim(2), more, seed)
    .map(([{ size, attributes }, n, c, extra, s]) => {
      const { dilations, ...rest } = attributes;
      return {
        inputs: [filled([n, c, ...size.map((d) => d + 1)], s, values)],
        attributes: { ...rest, ...(dilated && dilations !== undefined && { dilations }), ...extra },
      };
    });
