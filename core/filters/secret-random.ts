import { chachaUniform } from '../privacy/chacha.ts';
import type { ParcelContext } from './chain.ts';

/** Random numbers for filters that nobody foresees who doesn't have the key (32 bytes): see `ParcelContext.random`. */
export const secretRandom =
  (key: Uint8Array): ParcelContext['random'] =>
  (stream, substream) =>
    chachaUniform(key, stream, substream);
