import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ParamsType } from '../protocol/fl-model.ts';
import { fromFloat64, toFloat64 } from '../tensors/elements.ts';
import type { Dtype } from '../tensors/dtype.ts';
import { typed } from '../tensors/safetensors.ts';
import type { Aggregator, Chunk, Slice } from './aggregator.ts';
import type { Kernel } from './kernel.ts';
import { bytesOf } from './kernel.suite.ts';

/** One site's update in a test. */
export interface Update {
  readonly site: string;
  readonly weight: number;
  readonly values: readonly number[];
}

/** Folds one tensor as a driver does: site order, lazily, and each slice overwritten when the next is asked for. */
export const foldOnce = (
  aggregator: Aggregator,
  kernel: Kernel,
  updates: readonly Update[],
  { dtype = 'F32', paramsType = 'FULL', global = [] }: FoldOptions = {},
): number[] => {
  const sorted = updates.toSorted((a, b) => (a.site < b.site ? -1 : 1));
  const slices = function* (): Generator<Slice> {
    for (const { site, weight, values } of sorted) {
      const bytes = bytesOf(fromFloat64(dtype, Float64Array.from(values)));
      yield { site, weight, bytes };
      bytes.fill(0xff);
    }
  };
  const base = bytesOf(fromFloat64(dtype, Float64Array.from(global)));
  const elements = updates[0]?.values.length ?? global.length;
  const chunk: Chunk = { kernel, tensor: 'w', dtype, elements, paramsType, global: () => base };
  let plan = aggregator.scan?.start(sorted.map(({ site }) => site)) ?? null;
  if (aggregator.scan && plan !== null) plan = aggregator.scan.visit(plan, slices(), chunk);
  const bytes = aggregator.fold(slices(), chunk, plan);
  expect(bytes.buffer).not.toBe(base.buffer);
  return [...toFloat64(dtype, typed(dtype, bytes))];
};

export interface FoldOptions {
  readonly dtype?: Dtype;
  readonly paramsType?: ParamsType;
  readonly global?: readonly number[];
}

const anyUpdates = fc.integer({ min: 1, max: 9 }).chain((length) =>
  fc
    .array(
      fc.record({
        weight: fc.double({ noNaN: true, min: 1e-3, max: 1e6 }),
        values: fc.array(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), {
          minLength: length,
          maxLength: length,
        }),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((list) => list.map((update, i): Update => ({ site: `site-${i}`, ...update }))),
);

/** Laws of every aggregator. */
export const aggregatorSuite = (aggregator: Aggregator, kernel: Kernel): void => {
  const fold = (updates: readonly Update[], options?: FoldOptions) =>
    foldOnce(aggregator, kernel, updates, options);

  const { batches } = aggregator;
  if (batches) {
    test('sites in batches make the same bytes as all at once', () => {
      const dtypes = ['F64', 'F32', 'F16', 'I32'] as const;
      const cut = fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 5 });
      fc.assert(
        fc.property(
          anyUpdates,
          cut,
          fc.constantFrom(...dtypes),
          fc.boolean(),
          (updates, cuts, dtype, full) => {
            const elements = updates[0]?.values.length ?? 0;
            const bytes = (values: readonly number[]) =>
              bytesOf(fromFloat64(dtype, Float64Array.from(values)));
            const global = () => bytes(Array.from({ length: elements }, (_, i) => i / 3));
            const paramsType = full ? 'FULL' : 'DIFF';
            const chunk: Chunk = { kernel, tensor: 'w', dtype, elements, paramsType, global };
            const slices = updates.map(({ site, weight, values }) => ({
              site,
              weight,
              bytes: bytes(values),
            }));
            const ends = [...cuts.toSorted((a, b) => a - b), slices.length];
            let sum: Uint8Array | null = null;
            ends.forEach((end, i) => {
              sum = batches.add(sum, slices.slice(ends[i - 1] ?? 0, end), chunk);
              expect(sum).toHaveLength(batches.bytes(elements));
              kernel.begin(elements); // another sum in between
              kernel.add(dtype, bytes(Array.from({ length: elements }, () => 7)), 9);
            });
            const all = aggregator.fold(slices, chunk, null);
            expect(batches.finish(sum as unknown as Uint8Array, chunk)).toEqual(all);
          },
        ),
      );
    });
  }

  test('arrival order changes no bit', () => {
    fc.assert(
      fc.property(anyUpdates, fc.nat(11), (updates, turn) => {
        const moved = [
          ...updates.slice(turn % updates.length),
          ...updates.slice(0, turn % updates.length),
        ];
        expect(fold(moved.toReversed())).toEqual(fold(updates));
      }),
    );
  });

  test('of equal updates it makes that update', () => {
    fc.assert(
      fc.property(anyUpdates, (updates) => {
        const [first] = updates as [Update];
        const equal = updates.map((update) => ({ ...update, values: first.values }));
        expect(fold(equal)).toEqual(first.values.map((x) => x + 0));
      }),
    );
  });

  test('a common factor of the weights changes nothing to speak of', () => {
    fc.assert(
      fc.property(
        anyUpdates,
        fc.double({ noNaN: true, min: 0.01, max: 100 }),
        (updates, factor) => {
          const scaled = updates.map((update) => ({ ...update, weight: update.weight * factor }));
          const [a, b] = [fold(updates, { dtype: 'F64' }), fold(scaled, { dtype: 'F64' })];
          a.forEach((x, i) => expect(Math.abs(x - (b[i] as number))).toBeLessThan(1e-8));
        },
      ),
    );
  });

  test('what nobody sent keeps its value, FULL and DIFF', () => {
    for (const paramsType of ['FULL', 'DIFF'] as const) {
      expect(fold([], { paramsType, global: [1, 2] })).toEqual([1, 2]);
    }
  });

  test('DIFF moves the global by what FULL would make of the updates', () => {
    fc.assert(
      fc.property(anyUpdates, (updates) => {
        const global = updates[0]?.values.map(() => 4) ?? [];
        const moved = fold(updates, { dtype: 'F64', paramsType: 'DIFF', global });
        const full = fold(updates, { dtype: 'F64' });
        expect(moved).toEqual(full.map((x) => 4 + x));
      }),
    );
  });
};
