import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Dtype } from '../../tensors/dtype.ts';
import type { Codec } from './codec.ts';
import { finiteHeads } from './finite-heads.ts';
import { findCodec } from './registry.ts';

const codec = findCodec('float4') as Codec;
const spec = { name: 'w', dtype: 'F32', shape: [150] } as const;
const coded = (): Uint8Array =>
  codec
    .encode(
      spec,
      Float32Array.from({ length: 150 }, (_, i) => i - 70),
    )
    .slice() as Uint8Array;

/** Feeds bytes in two cuts. */
const check = (bytes: Uint8Array, a: number, b: number, dtype: Dtype = 'F32'): number => {
  const feed = finiteHeads(codec, dtype);
  const [from, to] = [Math.min(a, b), Math.max(a, b)];
  feed(bytes.subarray(0, from));
  feed(bytes.subarray(from, to));
  return feed(bytes.subarray(to));
};

test('a head that is not finite is found however the bytes are cut, and no code is taken for one', () => {
  const cut = fc.nat(coded().length);
  const heads = fc.constantFrom(NaN, Infinity, -Infinity, 3.4e38, 0, 1e-45);
  fc.assert(
    fc.property(cut, cut, fc.nat(2), heads, (a, b, block, head) => {
      const bytes = coded().fill(0xff);
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < 3; i++) view.setFloat32(36 * i, i === block ? head : 1, true);
      expect(check(bytes, a, b)).toBe(Number.isFinite(head) ? -1 : block);
    }),
  );
});

test('what was coded is finite', () => {
  expect(check(coded(), 0, 50)).toBe(-1);
});

test('a head is finite in the dtype that the tensor had', () => {
  const bytes = coded();
  const view = new DataView(bytes.buffer);
  const found = (head: number, dtype: Dtype): number => {
    view.setFloat32(72, head, true);
    return check(bytes, 73, 75, dtype);
  };
  expect([65504, 65505, 3e38].map((head) => found(head, 'F16'))).toEqual([-1, 2, 2]);
  expect([3e38, 3.39e38, 3.4e38].map((head) => found(head, 'BF16'))).toEqual([-1, 2, 2]);
  expect([3.4e38, Infinity].map((head) => found(head, 'F64'))).toEqual([-1, 2]);
});
