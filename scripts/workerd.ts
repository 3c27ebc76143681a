import { createRequire } from 'node:module';

/**
 * The real workerd. `.bin/workerd` may be a script around it: killing that leaves workerd running. (The package is
 * CommonJS marked as a transpiled module; an import's `default` differs between Node and its types.)
 */
export const WORKERD: string = (
  createRequire(import.meta.url)('workerd') as { readonly default: string }
).default;

/**
 * Leaves the kernel's restartable sequences to workerd's allocator instead of the C library (on Linux; elsewhere it is
 * ignored): with a cache for each processor, not each thread, an answer takes a sixth less processor time.
 */
export const TUNABLES = 'glibc.pthread.rseq=0';
