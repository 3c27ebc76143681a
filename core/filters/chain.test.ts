import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TensorData } from '../tensors/dtype.ts';
import { fromFloat64 } from '../tensors/elements.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { onion } from './chain.ts';
import type { Filter } from './filter.ts';
import { attempt, bytesOf, filtered, made, receivedOf, tensor } from './filtering.suite.ts';
import { findFilter, filterNames } from './registry.ts';
import { collect, inBlocks } from './tensor-source.ts';

const noise: Filter = {
  name: 'noise',
  needs: 'ANY',
  map: ({ data }, _plan, rng) => Float32Array.from(data as Float32Array, (x) => x + rng()),
};
const onlyA: Filter = { name: 'only-a', needs: 'ANY', keeps: (name) => name === 'a' };
const clipTo = (norm: number): Filter => made('clip', { norm });

test('filters work in order, each on what the one before left', () => {
  const tensors: Tensors = new Map([
    ['a', tensor('F32', 3)],
    ['b', tensor('F32', 4)],
  ]);
  const run = (...filters: Filter[]) => {
    const left = filtered(filters, tensors, { random: () => () => 0.25 }).tensors;
    return Object.fromEntries([...left].map(([k, t]) => [k, [...t.data]]));
  };
  expect(run()).toEqual({ a: [3], b: [4] });
  expect(run(onlyA, clipTo(1))).toEqual({ a: [1] });
  expect(run(clipTo(2.5), onlyA)).toEqual({ a: [1.5] });
  expect(run(clipTo(2.5), noise)).toEqual({ a: [1.75], b: [2.25] });
});

test('the own filters of a party wrap those of the job', () => {
  expect(onion('out', ['a', 'b'], ['mine'])).toEqual(['a', 'b', 'mine']);
  expect(onion('in', ['a', 'b'], ['mine'])).toEqual(['mine', 'a', 'b']);
});

test('an empty update stays empty; names of objects are names', () => {
  expect(filtered([onlyA], new Map()).tensors).toEqual(new Map());
  expect(findFilter('constructor')).toBeUndefined();
});

test('the registry says what each filter needs and where it works', () => {
  const facts = filterNames.map((name) => {
    const kind = findFilter(name);
    const places = [kind?.on.site.join(), kind?.on.server.join()].join('/');
    return [name, kind?.needs, places, kind?.impliesPartial].join(' ');
  });
  expect(facts).toEqual([
    'clip DIFF result/result false',
    'convert-weights ANY result/ false',
    'dxo-blocker ANY data,result/data,result false',
    'exclude-vars ANY result/result true',
    'gaussian DIFF result/ false',
    'model-dequantizer ANY data/result false',
    'model-quantizer DIFF result/data false',
    'percentile-privacy DIFF result/ false',
    'statistics-privacy ANY result/ false',
    'svt-privacy DIFF result/ false',
  ]);
});

/** Every filter that changes elements, alone and behind another that draws random numbers. */
const CHAINS: Readonly<Record<string, readonly Filter[]>> = {
  clip: [clipTo(0.5)],
  gaussian: [made('gaussian', { clip: 1, sigma: 1 })],
  percentile: [made('percentile-privacy', { percentile: 60, gamma: 0.3 })],
  svt: [made('svt-privacy', { epsilon: 9, gamma: 1, tau: 0.5, fraction: 0.3 })],
  convert: [made('convert-weights', { direction: 'diff_to_weights' })],
  float16: [made('model-quantizer', { quantizationType: 'float16' })],
  float4: [made('model-quantizer', { quantizationType: 'float4' })],
  blockwise8: [made('model-quantizer', { quantizationType: 'blockwise8' })],
  'noise and codes': [
    made('gaussian', { clip: 1, sigma: 1 }),
    made('model-quantizer', { quantizationType: 'normfloat4' }),
  ],
  'noise, percentile, clip': [
    made('gaussian', { clip: 1, sigma: 1 }),
    made('percentile-privacy', { percentile: 30, gamma: 1 }),
    clipTo(0.7),
  ],
};

test.each(Object.entries(CHAINS))('%s: any pieces give the same bytes', (_, filters) => {
  const floats = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(
    fc.property(floats, floats, fc.integer({ min: 1, max: 90 }), fc.nat(9), (a, b, piece, seed) => {
      const tensors: Tensors = new Map([
        ['a', tensor('F64', ...a)],
        ['b', tensor('F32', ...b)],
        ['c', tensor('BF16', ...a)],
      ]);
      const received = receivedOf(tensors);
      const whole = filtered(filters, tensors, { seed, received });
      const pieces = filtered(filters, tensors, { seed, received, piece });
      expect(bytesOf(pieces.tensors)).toEqual(bytesOf(whole.tensors));
      expect(pieces.meta).toEqual(whole.meta);
    }),
    { numRuns: 25 },
  );
});

test('whatever the pieces, the same comes out', () => {
  const chain = [
    made('gaussian', { clip: 1, sigma: 1, others: 'send' }),
    made('model-quantizer', { quantizationType: 'float4' }),
  ];
  const tensors: Tensors = new Map([
    ['flags', tensor('U8', 1, 2, 3)],
    ['w', tensor('F32', ...Array.from({ length: 200 }, (_, i) => i / 100))],
    ['count', tensor('I64', 5)],
    ['d', tensor('F64', 1, 2)],
    ['h', tensor('I16', 9)],
  ]);
  for (const piece of [1, 64, 100, Infinity]) {
    const parcel = attempt(chain, tensors, { piece });
    if (!parcel.ok) throw new Error(parcel.error.detail);
    expect(collect(parcel.value.tensors)).toEqual(filtered(chain, tensors).tensors);
  }
});

test('a scan sees the noise that is sent: what is read again is the same', () => {
  const seen: number[] = [];
  const witness: Filter<null> = {
    name: 'witness',
    needs: 'ANY',
    scan: {
      start: () => null,
      visit: (plan, { data }) => {
        for (const x of data) seen.push(Number(x));
        return plan;
      },
    },
  };
  const tensors: Tensors = new Map([
    ['a', tensor('F64', 1, 2, 3)],
    ['b', tensor('F64', 4, 5)],
  ]);
  const noisy = made('gaussian', { clip: 1, sigma: 1 });
  const { tensors: sent } = filtered([noisy, noisy, witness as Filter], tensors);
  expect([...sent.values()].flatMap(({ data }) => [...data].map(Number))).toEqual(seen);
  const [first, second] = [filtered([noisy], tensors), filtered([noisy, noisy], tensors)];
  expect(bytesOf(first.tensors)).not.toEqual(bytesOf(second.tensors));
});

test('nothing is made before it is read, and never more than a piece at a time', () => {
  let made_ = 0;
  const counting: Filter = {
    name: 'counting',
    needs: 'ANY',
    map: ({ data }) => {
      made_ = Math.max(made_, data.length);
      return data;
    },
  };
  const big = new Map([['w', tensor('F32', ...Array.from({ length: 5000 }, (_, i) => i))]]);
  filtered([clipTo(1), counting], big, { piece: 128 });
  expect(made_).toBe(128);
});

test('pieces are joined to blocks, and no element is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9)), fc.integer({ min: 1, max: 7 }), (lengths, block) => {
      let next = 0;
      const pieces: TensorData[] = lengths.map((length) =>
        fromFloat64(
          'I32',
          Float64Array.from({ length }, () => next++),
        ),
      );
      // Each is good until the next is asked for.
      const blocks = Array.from(inBlocks('I32', pieces, block), (one) => [...one]);
      expect(blocks.flat()).toEqual(Array.from({ length: next }, (_, i) => i));
      for (const one of blocks.slice(0, -1)) expect(one.length % block).toBe(0);
    }),
  );
});
