import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromFloat64, toFloat64 } from '../../tensors/elements.ts';
import type { Dtype } from '../../tensors/dtype.ts';
import { blockwise8, float4, normfloat4 } from './code-tables.ts';
import { codedSize, decodeBytes, decodeSpan } from './codec.ts';
import type { Codec } from './codec.ts';
import { codecTypes, findCodec } from './registry.ts';

/** Made by bitsandbytes: tests/vectors/filters/make_quantization.py. */
const VECTORS = JSON.parse(
  readFileSync(
    new URL('../../../tests/vectors/filters/quantization.json', import.meta.url),
    'utf8',
  ),
) as {
  values: Record<string, string>;
  cases: Record<
    string,
    {
      dtype: Dtype;
      source: string;
      types: Record<string, { codes: string; absmax: string; back: string }>;
    }
  >;
};
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const floatsOf = (text: string) => new Float32Array(bytesOf(text).buffer);
const codec = (type: string): Codec => findCodec(type) as Codec;
const spec = (dtype: Dtype, size: number) => ({ name: 'w', dtype, shape: [size] });

test.each([blockwise8, float4, normfloat4])('the table of $type', ({ type, values }) => {
  expect([...values].map((x) => x + 0)).toEqual(
    [...floatsOf(VECTORS.values[type] ?? '')].map((x) => x + 0),
  );
});

const cases = Object.entries(VECTORS.cases).flatMap(([name, { dtype, source, types }]) =>
  Object.entries(types).map(([type, want]) => ({ name, dtype, source, type, want })),
);

test.each(cases)(
  '$type of $name: codes, largest values and back',
  ({ dtype, source, type, want }) => {
    const floats = floatsOf(source);
    const chosen = codec(type);
    const block = chosen.coded(chosen.elements);
    const data = fromFloat64(dtype, Float64Array.from(floats));
    const bytes = chosen.encode(spec(dtype, floats.length), data) as Uint8Array;
    expect(bytes.length).toBe(chosen.becomes(spec(dtype, floats.length)).shape[0]);
    const [codes, absmax]: [number[], number[]] = [[], []];
    for (let at = 0; at < bytes.length; at += block) {
      absmax.push(new DataView(bytes.buffer).getFloat32(at, true));
      codes.push(...bytes.subarray(at + 4, at + block));
    }
    const one = (code: number) => (type === 'float4' && code === 8 ? 0 : code);
    const oneZero = (byte: number) =>
      type === 'blockwise8' ? byte : (one(byte >> 4) << 4) | one(byte & 15);
    expect(absmax).toEqual([...floatsOf(want.absmax)]);
    expect(codes.map(oneZero)).toEqual([...bytesOf(want.codes)]);
    const back = chosen.decode(spec(dtype, floats.length), bytes, floats.length);
    expect([...toFloat64(dtype, back)].map((x) => x + 0)).toEqual(
      [...floatsOf(want.back)].map((x) => x + 0),
    );
  },
);

test('float16 is the nearest half, cut to its largest', () => {
  const source = Float32Array.of(1 / 3, -1e6, 65504, Infinity, -0, 2 ** -24, 65519.996);
  const bits = codec('float16').encode(spec('F32', 7), source);
  expect([...bits]).toEqual([0x3555, 0xfbff, 0x7bff, 0x7bff, 0x8000, 1, 0x7bff]);
  expect([...codec('float16').decode(spec('F32', 7), bits, 3)]).toEqual([
    0.333251953125, -65504, 65504,
  ]);
});

/** Half the widest step of the table, of the block's largest value; half a unit in the last place of a half. */
const BOUNDS: Record<string, number> = {
  float16: 2 ** -11,
  blockwise8: 0.0071,
  float4: 0.1667,
  normfloat4: 0.152,
};
const values = fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), {
  minLength: 1,
  maxLength: 300,
});

test.each(codecTypes)('%s: the error is bounded, and any part decodes by itself', (type) => {
  const chosen = codec(type);
  fc.assert(
    fc.property(values, fc.nat(300), fc.nat(300), (list, a, b) => {
      const source = Float32Array.from(list);
      const coded = chosen.encode(spec('F32', list.length), source);
      expect(coded.length).toBe(codedSize(chosen, list.length));
      const back = chosen.decode(spec('F32', list.length), coded, list.length) as Float32Array;
      source.forEach((x, i) => {
        const start = i - (i % chosen.elements);
        const block = source.subarray(start, start + chosen.elements);
        const most =
          type === 'float16' ? Math.max(Math.abs(x), 2 ** -14) : Math.max(...block.map(Math.abs));
        expect(Math.abs((back[i] as number) - x)).toBeLessThanOrEqual(
          (BOUNDS[type] as number) * most + 1e-38,
        );
      });
      const [from, to] = [Math.min(a, b, list.length), Math.min(Math.max(a, b), list.length)];
      const part = decodeSpan(chosen, spec('F32', list.length), [from, to], (begin, end) =>
        coded.slice(begin, end),
      );
      expect(part).toEqual(back.slice(from, to));
      const file = new Uint8Array(coded.buffer);
      const bytes = decodeBytes(
        chosen,
        spec('F32', list.length),
        [4 * from, 4 * to],
        (begin, end) => file.slice(begin, end),
      );
      expect(bytes).toEqual(new Uint8Array(back.slice(from, to).buffer));
    }),
  );
});
