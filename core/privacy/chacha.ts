import type { Uniform } from './uniform.ts';

/** "expand 32-byte k", little-endian. */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** The words of the state that a quarter round mixes: four columns, then four diagonals, one after another. */
const QUARTERS = Uint8Array.from([
  0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 5, 10, 15, 1, 6, 11, 12, 2, 7, 8, 13, 3,
  4, 9, 14,
]);

/** Writes 64 bytes of the stream, as 16 words, into `out`. RFC 8439, section 2.3. */
export const chachaBlock = (state: Uint32Array, out: Uint32Array): void => {
  out.set(state);
  for (let round = 0; round < 10; round++) {
    for (let q = 0; q < QUARTERS.length; q += 4) quarterRound(out, q);
  }
  for (let i = 0; i < 16; i++) out[i] = (out[i] as number) + (state[i] as number);
};

const quarterRound = (x: Uint32Array, q: number): void => {
  const i = QUARTERS[q] as number;
  const j = QUARTERS[q + 1] as number;
  const k = QUARTERS[q + 2] as number;
  const l = QUARTERS[q + 3] as number;
  let a = x[i] as number;
  let b = x[j] as number;
  let c = x[k] as number;
  let d = x[l] as number;
  a = (a + b) | 0;
  d = turn(d ^ a, 16);
  c = (c + d) | 0;
  b = turn(b ^ c, 12);
  a = (a + b) | 0;
  d = turn(d ^ a, 8);
  c = (c + d) | 0;
  b = turn(b ^ c, 7);
  x[i] = a;
  x[j] = b;
  x[k] = c;
  x[l] = d;
};

const turn = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

/** The state of a block. `nonce`: three words. Throws RangeError where the key isn't 32 bytes. */
export const chachaState = (
  key: Uint8Array,
  nonce: readonly [number, number, number],
  counter = 0,
): Uint32Array => {
  if (key.length !== 32) throw new RangeError(`a key of ${key.length} bytes, expected 32`);
  const view = new DataView(key.buffer, key.byteOffset, 32);
  const words = Array.from({ length: 8 }, (_, i) => view.getUint32(4 * i, true));
  return Uint32Array.of(...CONSTANTS, ...words, counter, ...nonce);
};

/**
 * Uniform numbers in [0, 1), 32 bits a draw, that nobody foresees who doesn't have the key: noise that can be computed
 * again hides nothing. One key has 2^64 independent streams. ChaCha20, RFC 8439.
 */
export const chachaUniform = (key: Uint8Array, stream: number, substream: number): Uniform => {
  const state = chachaState(key, [stream, substream, 0]);
  const block = new Uint32Array(16);
  let used = 16;
  return () => {
    if (used === 16) {
      chachaBlock(state, block);
      state[12] = (state[12] as number) + 1;
      if (state[12] === 0) state[15] = (state[15] as number) + 1;
      used = 0;
    }
    return (block[used++] as number) / 2 ** 32;
  };
};
