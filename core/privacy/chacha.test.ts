import { expect, test } from 'vitest';
import { chachaBlock, chachaState, chachaUniform } from './chacha.ts';
import { vectors } from './vectors.suite.ts';

const key = Uint8Array.from({ length: 32 }, (_, i) => i);

test('a block is that of RFC 8439, section 2.3.2', () => {
  const out = new Uint32Array(16);
  chachaBlock(chachaState(key, [0x09000000, 0x4a000000, 0], 1), out);
  expect([...out]).toEqual([
    0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
    0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
  ]);
});

interface StreamVector {
  readonly stream: number;
  readonly substream: number;
  readonly uniforms: readonly number[];
}

test.each(vectors<StreamVector[]>('chacha'))(
  'stream $stream, $substream over blocks, by another implementation',
  ({ stream, substream, uniforms }) => {
    const uniform = chachaUniform(key, stream, substream);
    expect(uniforms.map(uniform)).toEqual(uniforms);
  },
);

test('a key has 32 bytes', () => {
  expect(() => chachaUniform(new Uint8Array(31), 0, 0)).toThrow(RangeError);
});
