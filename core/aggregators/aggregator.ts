import type { ParamsType } from '../protocol/fl-model.ts';
import type { Json } from '../protocol/json.ts';
import type { Dtype } from '../tensors/dtype.ts';
import type { Kernel, OwnedBytes } from './kernel.ts';

/** One site's part of a chunk. */
export interface Slice {
  readonly site: string;
  /** Finite and positive; see `siteWeight`. */
  readonly weight: number;
  /** As many elements as the chunk has. Valid until the next slice is asked for: the driver then frees it. */
  readonly bytes: Uint8Array;
}

/** A piece of one tensor, at most 1 MiB, that is aggregated as a whole. */
export interface Chunk {
  readonly kernel: Kernel;
  readonly tensor: string;
  readonly dtype: Dtype;
  readonly elements: number;
  readonly paramsType: ParamsType;
  /** The same piece of the model that the sites received; read only if asked for, valid until the fold returns. */
  readonly global: () => Uint8Array;
}

/**
 * Makes one model of many updates, chunk by chunk: synchronous, pure, driven by whoever holds the bytes. Slices come in
 * site order, lazily, and only of sites that sent the tensor, which gives each tensor its own denominator; none at all is
 * possible with `partial`, and the tensor then keeps its value.
 */
export interface Aggregator<Plan extends Json = Json> {
  readonly name: string;
  /** A pass over all chunks before the first `fold` (distances, a global norm). Its plan is JSON: it outlives an eviction. */
  readonly scan?: {
    start(sites: readonly string[]): Plan;
    visit(plan: Plan, slices: Iterable<Slice>, chunk: Chunk): Plan;
  };
  /**
   * Where present, a chunk's sites may come in batches: `add` gives what the next sites, in order, and those before (`sum`;
   * null at first) came to, in `bytes(elements)` bytes; `finish` makes of it what one `fold` of all would have made, bit
   * for bit. So a thousand sites are not folded in one turn; without it, a turn takes a row of all of them at least.
   */
  readonly batches?: {
    bytes(elements: number): number;
    add(sum: Uint8Array | null, slices: Iterable<Slice>, chunk: Chunk): OwnedBytes;
    finish(sum: Uint8Array, chunk: Chunk): OwnedBytes;
  };
  /** The chunk's bytes in the new model (FULL and DIFF alike), in the chunk's dtype. `plan` is null without a scan. */
  fold(slices: Iterable<Slice>, chunk: Chunk, plan: Plan | null): OwnedBytes;
}
