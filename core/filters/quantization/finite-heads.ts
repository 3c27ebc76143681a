import type { Dtype } from '../../tensors/dtype.ts';
import type { Codec } from './codec.ts';

/** The largest number of a dtype, where it is less than a float32's. */
const MOST: Partial<Record<Dtype, number>> = { F16: 65504, BF16: 2 ** 127 * (2 - 2 ** -7) };

/**
 * Looks for the first block whose codes don't stand for finite numbers of a dtype: they do where the float32 that the block
 * begins with is one. For a coded tensor's bytes as they arrive, cut anywhere; gives the block's number once it is found,
 * until then -1. Codes that are floats themselves are for the usual check.
 */
export const finiteHeads = (codec: Codec, dtype: Dtype): ((bytes: Uint8Array) => number) => {
  const block = codec.coded(codec.elements);
  const most = MOST[dtype] ?? Number.MAX_VALUE;
  const head = new DataView(new ArrayBuffer(4));
  let bad = -1;
  let before = 0;
  return (bytes) => {
    const end = before + bytes.length;
    for (let at = before - (before % block); at < end && bad < 0; at += block) {
      for (let i = 0; i < 4; i++) {
        const byte = bytes[at + i - before];
        if (byte === undefined) continue;
        head.setUint8(i, byte);
        if (i === 3 && !(Math.abs(head.getFloat32(0, true)) <= most)) bad = at / block;
      }
    }
    before = end;
    return bad;
  };
};
