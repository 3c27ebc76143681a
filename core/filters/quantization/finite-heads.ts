import type { Codec } from './codec.ts';

/**
 * Whether the float32 that each block of codes begins with is finite: then all its elements are. For a coded tensor's
 * bytes as they arrive, cut anywhere; `false` once is for good. Codes that are floats themselves are for the usual check.
 */
export const finiteHeads = (codec: Codec): ((bytes: Uint8Array) => boolean) => {
  const block = codec.coded(codec.elements);
  let finite = true;
  let before = 0;
  let third = 0;
  return (bytes) => {
    const end = before + bytes.length;
    for (let head = before - (before % block); head < end; head += block) {
      // Little-endian: the exponent is the upper bit of the third byte and all of the fourth but the sign.
      third = bytes[head + 2 - before] ?? third;
      const fourth = bytes[head + 3 - before];
      if (fourth !== undefined && (fourth & 0x7f) === 0x7f && (third & 0x80) !== 0) finite = false;
    }
    before = end;
    return finite;
  };
};
