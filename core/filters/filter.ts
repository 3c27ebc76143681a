import type { Dtype, TensorData } from '../tensors/dtype.ts';
import type { TensorRole } from '../tensors/manifest.ts';

/** Uniform random numbers in [0, 1), from the job's seed: a filter has no randomness of its own. */
export type Rng = () => number;

/** One tensor of an update. */
export interface FilterChunk {
  readonly name: string;
  readonly role: TensorRole;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Not the filter's to change. */
  readonly data: TensorData;
}

/** A filter declined an update; nothing of it may leave the site (FLARE: TASK_RESULT_FILTER_ERROR). */
export interface FilterFault {
  readonly reason: 'needs-diff' | 'non-finite' | 'nothing-left';
  readonly filter: string;
  readonly detail: string;
}

/**
 * Changes an update on its way out of a site: which tensors go, an optional scan over all of them, then one map per
 * tensor. Synchronous and pure. FLARE's DXOFilter.
 */
export interface Filter<Plan = unknown> {
  readonly name: string;
  /** DIFF: takes differences only, because whole parameters would make no sense of it. */
  readonly needs: 'DIFF' | 'ANY';
  /** False drops the tensor, before the scan. */
  readonly keeps?: (tensor: string) => boolean;
  readonly scan?: {
    start(): Plan;
    visit(plan: Plan, chunk: FilterChunk): Plan;
    /** Why this update must not be sent, if it must not. */
    fault?(plan: Plan): string | undefined;
  };
  /** The tensor's new elements (same dtype and count), or `chunk.data` itself. `plan` is the scan's. */
  map?(chunk: FilterChunk, plan: Plan, rng: Rng): TensorData;
}

/** A filter that a job may name: how its arguments read, and where it works. */
export interface FilterKind {
  readonly name: string;
  readonly needs: Filter['needs'];
  /** `site`: in the client kit, on a result before it is sent. */
  readonly at: readonly ('site' | 'server')[];
  readonly on: readonly ('data' | 'result')[];
  /** Results may lack tensors: the workflow must fold with `partial`. */
  readonly impliesPartial: boolean;
}
