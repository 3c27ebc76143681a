import type { ParamsType } from '../protocol/fl-model.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import { err, ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import type { Filter, FilterChunk, FilterFault, Rng } from './filter.ts';

/** What a chain knows about the update it filters. */
export interface ChainContext {
  /** From the program's manifest; a tensor that isn't named is trainable, the careful assumption. */
  readonly roles: ReadonlyMap<string, TensorRole>;
  readonly paramsType: ParamsType;
  readonly rng: Rng;
}

/**
 * Filters an update: each filter in turn over all tensors (the job's first, then the site's own, which so has the last
 * word). The given tensors are left as they are; unchanged ones are shared. An update that a filter declines, or of which
 * nothing is left, is a fault and must not be sent.
 */
export const applyChain = (
  filters: readonly Filter[],
  tensors: Tensors,
  context: ChainContext,
): Result<Tensors, FilterFault> => {
  let current = tensors;
  for (const filter of filters) {
    const next = applyFilter(filter, current, context);
    if (!next.ok) return next;
    current = next.value;
  }
  return ok(current);
};

const applyFilter = (
  filter: Filter,
  tensors: Tensors,
  { roles, paramsType, rng }: ChainContext,
): Result<Tensors, FilterFault> => {
  const fault = (reason: FilterFault['reason'], detail: string) =>
    err({ reason, filter: filter.name, detail });
  if (filter.needs === 'DIFF' && paramsType !== 'DIFF') {
    return fault('needs-diff', `takes DIFF, got ${paramsType}`);
  }
  const chunks: FilterChunk[] = [];
  for (const [name, tensor] of tensors) {
    if (filter.keeps && !filter.keeps(name)) continue;
    chunks.push({ ...tensor, name, role: roles.get(name) ?? 'trainable' });
  }
  if (chunks.length === 0 && tensors.size > 0) return fault('nothing-left', 'drops every tensor');
  let plan: unknown;
  if (filter.scan) {
    plan = filter.scan.start();
    for (const chunk of chunks) plan = filter.scan.visit(plan, chunk);
    const detail = filter.scan.fault?.(plan);
    if (detail !== undefined) return fault('non-finite', detail);
  }
  const out: Tensors = new Map();
  for (const chunk of chunks) {
    const data = filter.map ? filter.map(chunk, plan, rng) : chunk.data;
    const tensor: Tensor = { dtype: chunk.dtype, shape: chunk.shape, data };
    out.set(chunk.name, tensor);
  }
  return ok(out);
};
