import type { Dtype, TensorData } from '../tensors/dtype.ts';
import type { TensorSpec } from '../tensors/layout.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import type { Result } from '../tensors/result.ts';
import type { DataKind } from '../protocol/data-kind.ts';

/** Uniform random numbers in [0, 1): a filter has no randomness of its own. */
export type Rng = () => number;

/** What is filtered, its elements apart: FLARE's DXO. */
export interface Subject {
  readonly kind: DataKind;
  /** FLARE's DXO meta: `NUM_STEPS_CURRENT_ROUND`, `filter_history`, and what a filter tells the receiver. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** What is no tensor: statistics. JSON. */
  readonly data?: unknown;
  /** The tensors, as they are before this filter. */
  readonly specs: readonly (TensorSpec & { readonly role: TensorRole })[];
  /** The tensors of the model received, where that is at hand. */
  readonly received: ReadonlyMap<string, TensorSpec> | undefined;
  /** How the tensors are quantised, if they are. */
  readonly quantization: Quantization | undefined;
}

/** What `__metadata__.quantization` says: how tensors were made smaller, and what each was before. */
export interface Quantization {
  readonly type: string;
  /** The quantised tensors only, under the names that they keep. */
  readonly tensors: readonly TensorSpec[];
}

/** A piece of one tensor. */
export interface FilterChunk {
  readonly name: string;
  readonly role: TensorRole;
  readonly dtype: Dtype;
  /** Of the whole tensor. */
  readonly shape: readonly number[];
  /** Elements of the tensor before this piece. */
  readonly offset: number;
  /** Not the filter's to change. */
  readonly data: TensorData;
  /** The same piece of the model received. Throws where it isn't at hand: `Subject.received` says so. */
  readonly received: () => TensorData;
}

/** A filter declined; nothing of it may leave (FLARE: TASK_RESULT_FILTER_ERROR, on task data TASK_DATA_FILTER_ERROR). */
export interface FilterFault {
  readonly reason:
    | 'needs-diff'
    | 'non-finite'
    | 'nothing-left'
    | 'blocked'
    | 'quantized'
    | 'unprotected'
    | 'no-reference'
    | 'malformed'
    | 'no-end'
    | 'unsupported';
  readonly filter: string;
  readonly detail: string;
}

export type Declined = Omit<FilterFault, 'filter'>;

/** What a filter changes of a subject; a field that is absent stays. */
export interface Changes {
  readonly kind?: DataKind;
  /** Added to the meta that is there. */
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  /** Null: no longer quantised. */
  readonly quantization?: Quantization | null;
}

/**
 * Changes what goes out or comes in: which tensors, optional scans over all their elements, then one map per piece; and
 * what is said besides. Synchronous and pure. However a tensor is cut into pieces, the same elements come of it: whoever
 * draws random numbers draws as many per element. FLARE's DXOFilter.
 */
export interface Filter<Plan = unknown> {
  readonly name: string;
  /** DIFF: takes differences only, because whole parameters would make no sense of it. */
  readonly needs: 'DIFF' | 'ANY';
  /**
   * How tensors travel rather than what they are: `out` works after all others, whatever the order given, `in` before
   * them. So nobody's noise meets codes.
   */
  readonly wire?: 'in' | 'out';
  /** Its random numbers protect something: whoever gets the result must not be able to compute them. */
  readonly secret?: true;
  /** False drops the tensor, before the scan. */
  readonly keeps?: (tensor: string) => boolean;
  /** The subject's changes, or why it may not go; before any element is read. */
  about?(subject: Subject, rng: Rng): Result<Changes, Declined>;
  readonly scan?: {
    start(subject: Subject, rng: Rng): Plan;
    /** Sees every piece in order. Without it there is no pass, only a plan. */
    visit?(plan: Plan, chunk: FilterChunk, rng: Rng): Plan;
    /** After a pass: true asks for one more. */
    again?(plan: Plan, rng: Rng): boolean;
    /** Why this may not go, if it may not. Asked after each pass, before `again`. */
    fault?(plan: Plan): Declined | undefined;
    /** What the receiver is told of it, in the meta. */
    meta?(plan: Plan): Readonly<Record<string, unknown>>;
  };
  /** The tensor afterwards: another dtype or shape. The same unless given. */
  becomes?(spec: TensorSpec, plan: Plan): TensorSpec;
  /** Pieces of this tensor hold multiples of so many elements, the last excepted. 1 unless given. */
  block?(spec: TensorSpec, plan: Plan): number;
  /**
   * The piece's new elements, in the dtype that the tensor becomes, in an array that the chain lets go of when the next piece
   * is asked for; or `chunk.data` itself.
   */
  map?(chunk: FilterChunk, plan: Plan, rng: Rng): TensorData;
}

/** Which way something goes: to the site, or from it. */
export type Traffic = 'data' | 'result';

/** A filter that a job may name: how its arguments read, and where it works. */
export interface FilterKind {
  readonly name: string;
  /** Of results; task data is always whole parameters. */
  readonly needs: Filter['needs'];
  /** What it may be asked for: at the site, before task data is worked on and before a result is sent; at the server, before
   * task data goes out and before a result is folded. */
  readonly on: { readonly site: readonly Traffic[]; readonly server: readonly Traffic[] };
  /** Results may lack tensors: the workflow must fold with `partial`. */
  readonly impliesPartial: boolean;
}
