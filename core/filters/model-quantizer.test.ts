import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { toFloat64 } from '../tensors/elements.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { attempt, bytesOf, filtered, made, refusedAt, tensor } from './filtering.suite.ts';
import { decodeQuantization, encodeQuantization, quantizedSpecs } from './quantization/metadata.ts';
import { codecTypes } from './quantization/registry.ts';

const quantizer = (quantizationType: string) => made('model-quantizer', { quantizationType });
const dequantizer = made('model-dequantizer');
const ramp = (size: number): number[] => Array.from({ length: size }, (_, i) => i / size - 0.5);
const tensors: Tensors = new Map([
  ['wide', tensor('F64', ...ramp(300))],
  ['w', { ...tensor('F32', ...ramp(5000)), shape: [50, 100] }],
  ['h', tensor('F16', ...ramp(65))],
  ['b', tensor('BF16', ...ramp(3))],
  ['none', tensor('F32')],
  ['n', tensor('I64', 7)],
]);

test.each(codecTypes)('%s: smaller, and back within its error, in any pieces', (type) => {
  const coded = filtered([quantizer(type)], tensors, { piece: 77 });
  const sent = bytesOf(coded.tensors);
  expect(sent).toEqual(bytesOf(filtered([quantizer(type)], tensors).tensors));
  const shapes = [...coded.tensors].map(([name, { dtype, shape }]) => [name, dtype, ...shape]);
  expect(shapes).toEqual(
    {
      float16: [
        ['wide', 'F16', 300],
        ['w', 'F16', 50, 100],
        ['h', 'F16', 65],
        ['b', 'BF16', 3],
        ['none', 'F16', 0],
        ['n', 'I64', 1],
      ],
      blockwise8: [
        ['wide', 'U8', 304],
        ['w', 'U8', 5008],
        ['h', 'U8', 69],
        ['b', 'U8', 7],
        ['none', 'U8', 0],
        ['n', 'I64', 1],
      ],
      float4: [
        ['wide', 'U8', 170],
        ['w', 'U8', 2816],
        ['h', 'U8', 41],
        ['b', 'U8', 6],
        ['none', 'U8', 0],
        ['n', 'I64', 1],
      ],
      normfloat4: [
        ['wide', 'U8', 170],
        ['w', 'U8', 2816],
        ['h', 'U8', 41],
        ['b', 'U8', 6],
        ['none', 'U8', 0],
        ['n', 'I64', 1],
      ],
    }[type],
  );
  const back = filtered([dequantizer], coded.tensors, {
    piece: 31,
    parcel: { quantization: coded.quantization },
  });
  expect(back.quantization).toBeUndefined();
  expect([...back.tensors.keys()]).toEqual([...tensors.keys()]);
  for (const [name, { dtype, shape, data }] of tensors) {
    const got = back.tensors.get(name);
    expect(got).toMatchObject({ dtype, shape });
    const [x, y] = [toFloat64(dtype, data), toFloat64(dtype, got?.data ?? data)];
    const most =
      { float16: 2 ** -12, blockwise8: 0.004, float4: 0.084, normfloat4: 0.077 }[type] ?? 0;
    x.forEach((value, i) => expect(Math.abs(value - (y[i] as number))).toBeLessThanOrEqual(most));
  }
});

test('what is coded already is not coded again, nor what is no update', () => {
  const once = filtered([quantizer('blockwise8')], tensors);
  const twice = filtered([quantizer('float4')], once.tensors, {
    parcel: { quantization: once.quantization },
  });
  expect(bytesOf(twice.tensors)).toEqual(bytesOf(once.tensors));
  expect(twice.quantization).toEqual(once.quantization);
  const other = filtered([quantizer('float4')], tensors, { parcel: { kind: 'APP_DEFINED' } });
  expect(bytesOf(other.tensors)).toEqual(bytesOf(tensors));
  expect(other.quantization).toBeUndefined();
});

test('it comes last whatever the order, so that noise meets numbers; whole parameters only as task data', () => {
  const noise = made('gaussian', { clip: 1, sigma: 0.1 });
  const given: Tensors = new Map([['w', tensor('F32', ...ramp(100))]]);
  const first = filtered([quantizer('float4'), noise], given);
  expect(first.meta['filter_history']).toEqual(['gaussian', 'model-quantizer']);
  expect(bytesOf(first.tensors)).toEqual(
    bytesOf(filtered([noise, quantizer('float4')], given).tensors),
  );
  expect(
    attempt([noise], first.tensors, { parcel: { quantization: first.quantization } }),
  ).toMatchObject({ error: { reason: 'quantized', filter: 'gaussian' } });
  const parcel = { kind: 'WEIGHTS' } as const;
  expect(attempt([quantizer('float16')], given, { parcel })).toMatchObject({
    error: { reason: 'needs-diff' },
  });
  expect(attempt([quantizer('float16')], given, { parcel, on: 'data' })).toMatchObject({
    ok: true,
  });
});

test('what is not finite is declined', () => {
  for (const x of [NaN, -Infinity]) {
    expect(attempt([quantizer('float16')], new Map([['w', tensor('F32', 1, x)]]))).toMatchObject({
      error: { reason: 'non-finite' },
    });
  }
});

test('the metadata says what each tensor was, for names of all kinds', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 9 }), { minLength: 1 });
  fc.assert(
    fc.property(names, fc.constantFrom(...codecTypes), (list, type) => {
      const specs = ['__proto__', '1', ...list.filter((name) => name !== '1')].map((name) => ({
        name,
        shape: [2, 3],
        dtype: 'F32' as const,
      }));
      const quantization = { type, tensors: specs };
      expect(decodeQuantization(encodeQuantization(quantization))).toEqual({
        ok: true,
        value: quantization,
      });
    }),
  );
});

const w = { name: 'w', dtype: 'F32', shape: [2, 3] } as const;
test.each([
  ['{', 'quantization'],
  ['{"type":"float2","tensors":[]}', 'quantization.type'],
  ['{"type":"float4","tensors":[["w","F33",[1]]]}', 'quantization.tensors[0][1]'],
  ['{"type":"float4","tensors":[["w","F32",[-1]]]}', 'quantization.tensors[0][2][0]'],
  ['{"type":"float4","tensors":[["w","F32",[1],1]]}', 'quantization.tensors[0][3]'],
  ['{"type":"float4","tensors":{},"more":1}', 'quantization.tensors'],
])('metadata %s is refused', (text, path) => {
  const result = decodeQuantization(text);
  expect(result.ok ? [] : result.error.map((one) => one.path)).toContain(path);
});

test.each([
  ['a tensor that is not there', [{ ...w, name: 'x' }]],
  ['another shape', [{ ...w, shape: [3, 2] }]],
  ['another dtype', [{ ...w, dtype: 'F64' as const }]],
  ['a tensor twice', [w, { ...w }]],
  ['integers', [{ name: 'n', dtype: 'I64' as const, shape: [1] }]],
])('a quantisation of %s fits no model', (_, listed) => {
  const specs = [w, { name: 'n', dtype: 'I64' as const, shape: [1] }];
  const result = quantizedSpecs(specs, { type: 'float16', tensors: listed });
  expect(result.ok ? [] : result.error.map(({ path }) => path)).toEqual([
    'quantization.tensors[0]',
  ]);
});

test('a quantised model has the layout that the filter gives it', () => {
  const coded = filtered([quantizer('normfloat4')], tensors);
  const specs = [...tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  const { quantization = { type: '', tensors: [] } } = coded;
  expect(quantizedSpecs(specs, quantization)).toEqual({
    ok: true,
    value: [...coded.tensors].map(([name, { dtype, shape }]) => ({ name, dtype, shape })),
  });
});

test('bytes that are no quantised tensor are declined', () => {
  const quantization = { type: 'blockwise8', tensors: [w] };
  const attempted = (given: Tensors) => attempt([dequantizer], given, { parcel: { quantization } });
  expect(attempted(new Map([['w', tensor('U8', ...ramp(10))]]))).toMatchObject({ ok: true });
  expect(attempted(new Map([['w', tensor('U8', ...ramp(9))]]))).toMatchObject({
    error: { reason: 'malformed', filter: 'model-dequantizer' },
  });
});

test.each([
  ['model-quantizer', { quantizationType: 'float8' }, 'quantizationType'],
  ['model-quantizer', { type: 'float4' }, 'type'],
  ['model-dequantizer', { type: 'float4' }, 'type'],
])('%s with %j is refused', (name, args, path) => {
  expect(refusedAt(name, args)).toEqual([path]);
});
