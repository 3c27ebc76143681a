import { MAX_CHUNK } from './kernel.ts';

// A kernel's one memory, sized once: the sum (float64, of at most 2^20 one-byte elements), a chunk in, a chunk out.
export const SUM = 0;
export const INPUT = 8 * MAX_CHUNK;
export const OUTPUT = INPUT + MAX_CHUNK;
export const MEMORY_BYTES = OUTPUT + MAX_CHUNK;

/** Dtypes that have a loop of their own in every kernel. */
export type FloatDtype = 'F64' | 'F32' | 'F16' | 'BF16';
