import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DTYPES } from './dtype.ts';
import type { Dtype } from './dtype.ts';
import { decode, encode, encodeParts, layoutOf, typed } from './safetensors.ts';
import { sizeOf } from './tensor.ts';
import type { Tensor, Tensors } from './tensor.ts';

const name = fc
  .oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.constantFrom('__proto__', '1'),
  )
  .filter((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));
const tensor: fc.Arbitrary<Tensor> = fc
  .record({
    dtype: fc.constantFrom(...(Object.keys(DTYPES) as Dtype[])),
    shape: fc.array(fc.nat(3), { maxLength: 3 }),
    seed: fc.array(fc.nat(255), { minLength: 1, maxLength: 20 }),
  })
  .map(({ dtype, shape, seed }) => {
    const bytes = Uint8Array.from(
      { length: sizeOf(shape) * DTYPES[dtype].bytes },
      (_, i) => seed[i % seed.length] as number,
    );
    return { dtype, shape, data: typed(dtype, bytes) };
  });
const anyTensors: fc.Arbitrary<Tensors> = fc
  .array(fc.tuple(name, tensor), { maxLength: 6 })
  .map((pairs) => new Map(pairs));
const anyMetadata = fc
  .array(fc.tuple(fc.string(), fc.string({ unit: 'grapheme' })), { maxLength: 3 })
  .map((pairs) => new Map(pairs));

test('any tensors and metadata come back the same, at any address', () => {
  fc.assert(
    fc.property(anyTensors, anyMetadata, fc.nat(9), (tensors, metadata, shift) => {
      const file = encode(tensors, metadata);
      const moved = new Uint8Array(file.length + shift).subarray(shift);
      moved.set(file);
      const back = decode(moved);
      if (!back.ok) throw new Error(JSON.stringify(back.error));
      expect(back.value.tensors).toEqual(tensors);
      expect(back.value.metadata).toEqual(metadata);
      expect([...back.value.tensors.keys()]).toEqual(layoutOf(tensors).entries.map((e) => e.name));
    }),
  );
});

test('a corrupted file never throws: a fault, or tensors that fill it', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  let faults = 0;
  fc.assert(
    fc.property(anyTensors, damage, fc.nat(3), (tensors, changes, cut) => {
      const file = encode(tensors, new Map([['k', 'v']]));
      const header = file.length - layoutOf(tensors).dataBytes;
      for (const [at, byte] of changes) file[at % header] = byte;
      const back = decode(file.subarray(0, file.length - cut));
      if (!back.ok) faults++;
      else {
        const sizes = [...back.value.tensors.values()].map((t) => t.data.byteLength);
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(file.length - cut - header);
      }
    }),
    { numRuns: 500 },
  );
  expect(faults).toBeGreaterThan(100);
});

test('reads what the Python package wrote', () => {
  const url = new URL('../../tests/vectors/python.safetensors', import.meta.url);
  const file = decode(readFileSync(url));
  if (!file.ok) throw new Error(JSON.stringify(file.error));
  const { tensors, metadata } = file.value;
  expect(metadata).toEqual(
    new Map([
      ['format', 'np'],
      ['fl_model', '{"params_type":"FULL"}'],
    ]),
  );
  const got = Object.fromEntries(
    [...tensors].map(([key, t]) => [`${key}:`, [t.dtype, t.shape, [...t.data]]]),
  );
  expect(got).toEqual({
    'conv.weight:': ['F32', [2, 2, 3], Array.from({ length: 12 }, (_, i) => (i - 6) / 4)],
    '1:': ['F16', [4], [0x3e00, 0x8000, 0x7bff, 1]],
    '__proto__:': ['F64', [1, 2], [1e300, -5e-324]],
    'bn.num_batches_tracked:': ['I64', [], [2n ** 53n - 1n]],
    'mask:': ['BOOL', [3], [1, 0, 1]],
    'empty:': ['F32', [0, 4], []],
    'größe:': ['I8', [3], [-128, 127, 0]],
    'u16:': ['U16', [2], [0, 65535]],
    'bf:': ['BF16', [3], [0x3f80, 0xc049, 1]],
  });
});

test('decoded tensors are views of the file, encoded parts views of the tensors', () => {
  const data = Float32Array.of(1, 2);
  const tensors: Tensors = new Map([['w', { dtype: 'F32', shape: [2], data }]]);
  const back = decode(encode(tensors));
  if (!back.ok) throw new Error(back.error.reason);
  expect(back.value.tensors.get('w')?.data.buffer.byteLength).toBeGreaterThan(8);
  expect(encodeParts(tensors)[1]?.buffer).toBe(data.buffer);
});

test('data that is not what shape and dtype say throws', () => {
  const wrong = (t: Tensor) => () => encode(new Map([['w', t]]));
  expect(wrong({ dtype: 'F32', shape: [3], data: Float32Array.of(1, 2) })).toThrow(RangeError);
  expect(wrong({ dtype: 'F32', shape: [1], data: Int32Array.of(1) })).toThrow(RangeError);
});

test('a file cut short or with bytes behind it', () => {
  const file = encode(new Map([['w', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]));
  const longer = new Uint8Array(file.length + 1);
  longer.set(file);
  const reason = (bytes: Uint8Array) => decode(bytes);
  expect(reason(file.subarray(0, 4))).toMatchObject({ error: { reason: 'truncated' } });
  expect(reason(file.subarray(0, 20))).toMatchObject({ error: { reason: 'truncated' } });
  expect(reason(file.subarray(0, -1))).toMatchObject({ error: { reason: 'length-mismatch' } });
  expect(reason(longer)).toMatchObject({ error: { reason: 'length-mismatch' } });
});
