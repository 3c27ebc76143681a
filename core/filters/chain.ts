import type { TensorData } from '../tensors/dtype.ts';
import type { TensorSpec } from '../tensors/layout.ts';
import type { TensorRole } from '../tensors/manifest.ts';
import { release } from '../tensors/release.ts';
import { err, ok } from '../tensors/result.ts';
import type { Result } from '../tensors/result.ts';
import type { DataKind } from '../protocol/data-kind.ts';
import type {
  Changes,
  Declined,
  Filter,
  FilterChunk,
  FilterFault,
  Quantization,
  Rng,
  Subject,
} from './filter.ts';
import { inBlocks } from './tensor-source.ts';
import type { TensorSource } from './tensor-source.ts';

/** What goes through a chain. Without tensors, `tensors` has none. */
export interface Parcel {
  readonly kind: DataKind;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  readonly tensors: TensorSource;
  readonly quantization?: Quantization | undefined;
}

/** The model that a task brought: what a DIFF is a difference from. */
export interface Received {
  readonly specs: ReadonlyMap<string, TensorSpec>;
  /** Elements [from, to) of a tensor that `specs` has. */
  read(name: string, from: number, to: number): TensorData;
}

/** What a chain is told besides what it filters. */
export interface ParcelContext {
  /** From the program's manifest; a tensor that isn't named is trainable, the careful assumption. */
  readonly roles: ReadonlyMap<string, TensorRole>;
  /**
   * The random numbers of one stream, from its start: the n-th filter's scans have streams of their own, and so has each
   * tensor that it maps, which may be read more than once and must come out the same. They must not be foreseeable by
   * whoever gets the result, or noise made of them hides nothing: `chachaUniform` with a key that stays at the site.
   */
  readonly random: (stream: number, substream: number) => Rng;
  readonly received?: Received | undefined;
  /** A result unless given. Task data is whole parameters: filters that need DIFF are of results. */
  readonly on?: 'data' | 'result';
}

/**
 * The order of filters at a party: its own wrap the job's. What comes in meets them first, what goes out last, so that no
 * job sees or sends what they would not let pass.
 */
export const onion = <T>(
  direction: 'in' | 'out',
  ofJob: readonly T[],
  own: readonly T[],
): readonly T[] => (direction === 'in' ? [...own, ...ofJob] : [...ofJob, ...own]);

/**
 * Filters a parcel: each filter in turn, in the order given (see `onion`). Tensors stream:
 * scans are made at once, the elements of what comes out are made as they are read, a piece at a time. FLARE's
 * filter_history is kept in the meta. A parcel that a filter declines, or of which no tensor is left, is a fault.
 */
export const filterParcel = (
  filters: readonly Filter[],
  parcel: Parcel,
  context: ParcelContext,
): Result<Parcel, FilterFault> => {
  let current = parcel;
  for (const [at, filter] of inOrder(filters).entries()) {
    const next = apply(filter, current, context, at);
    if (!next.ok) return err({ ...next.error, filter: filter.name });
    current = next.value;
  }
  return ok(current);
};

const inOrder = (filters: readonly Filter[]): readonly Filter[] => {
  const place = { in: 0, out: 2 };
  const placeOf = ({ wire }: Filter): number => (wire ? place[wire] : 1);
  return filters.toSorted((a, b) => placeOf(a) - placeOf(b));
};

const apply = (
  filter: Filter,
  parcel: Parcel,
  context: ParcelContext,
  at: number,
): Result<Parcel, Declined> => {
  if (filter.needs === 'DIFF' && parcel.kind === 'WEIGHTS' && context.on !== 'data') {
    return err({ reason: 'needs-diff', detail: 'takes DIFF, got FULL' });
  }
  if (filter.needs === 'DIFF' && !filter.wire && parcel.quantization) {
    return err({ reason: 'quantized', detail: `takes numbers, got ${parcel.quantization.type}` });
  }
  const source = kept(filter, parcel.tensors);
  if (source.specs.length === 0 && parcel.tensors.specs.length > 0) {
    return err({ reason: 'nothing-left', detail: 'drops every tensor' });
  }
  const { kind, meta, data, quantization } = parcel;
  const subject: Subject = {
    kind,
    meta,
    data,
    quantization,
    specs: source.specs.map((spec) => ({ ...spec, role: roleOf(context, spec) })),
    received: context.received?.specs,
  };
  const unchanged: Result<Changes, Declined> = ok({});
  const changes = filter.about?.(subject, context.random(2 * at, 1)) ?? unchanged;
  if (!changes.ok) return changes;
  const scanned = scan(filter, subject, source, context, context.random(2 * at, 0));
  if (!scanned.ok) return scanned;
  const plan = scanned.value;
  const { quantization: now = quantization } = changes.value;
  return ok({
    kind: changes.value.kind ?? kind,
    meta: {
      ...meta,
      ...changes.value.meta,
      ...filter.scan?.meta?.(plan),
      filter_history: [...historyOf(meta), filter.name],
    },
    data: 'data' in changes.value ? changes.value.data : data,
    ...(now && { quantization: now }),
    tensors: mapped(filter, plan, source, context, 2 * at + 1),
  });
};

const historyOf = ({ filter_history: history }: Parcel['meta']): readonly unknown[] =>
  Array.isArray(history) ? history : [];

const roleOf = ({ roles }: ParcelContext, { name }: TensorSpec): TensorRole =>
  roles.get(name) ?? 'trainable';

const kept = ({ keeps }: Filter, source: TensorSource): TensorSource => {
  if (!keeps) return source;
  const indices = source.specs.flatMap(({ name }, index) => (keeps(name) ? [index] : []));
  return {
    specs: indices.map((index) => source.specs[index] as TensorSpec),
    read: (index) => source.read(indices[index] as number),
  };
};

/** A tensor's pieces as a filter sees them. */
function* chunks(
  filter: Filter,
  plan: unknown,
  source: TensorSource,
  index: number,
  context: ParcelContext,
): Iterable<FilterChunk> {
  const spec = source.specs[index] as TensorSpec;
  const block = filter.block?.(spec, plan) ?? 1;
  const role = roleOf(context, spec);
  let offset = 0;
  for (const data of inBlocks(spec.dtype, source.read(index), block)) {
    const [from, to] = [offset, offset + data.length];
    const received = (): TensorData => {
      if (!context.received) throw new Error('no model was received');
      return context.received.read(spec.name, from, to);
    };
    yield { ...spec, role, offset, data, received };
    offset = to;
  }
}

const scan = (
  filter: Filter,
  subject: Subject,
  source: TensorSource,
  context: ParcelContext,
  rng: Rng,
): Result<unknown, Declined> => {
  const { scan: pass } = filter;
  if (!pass) return ok(undefined);
  let plan = pass.start(subject, rng);
  for (;;) {
    if (pass.visit) {
      for (const index of source.specs.keys()) {
        for (const chunk of chunks(filter, plan, source, index, context)) {
          plan = pass.visit(plan, chunk, rng);
        }
      }
    }
    const declined = pass.fault?.(plan);
    if (declined) return err(declined);
    if (!pass.again?.(plan, rng)) return ok(plan);
  }
};

const mapped = (
  filter: Filter,
  plan: unknown,
  source: TensorSource,
  context: ParcelContext,
  stream: number,
): TensorSource => {
  if (!filter.map) return source;
  return {
    specs: filter.becomes
      ? source.specs.map((spec) => filter.becomes?.(spec, plan) ?? spec)
      : source.specs,
    *read(index) {
      const rng = context.random(stream, index);
      for (const chunk of chunks(filter, plan, source, index, context)) {
        const made = filter.map?.(chunk, plan, rng) ?? chunk.data;
        yield made;
        if (made.buffer !== chunk.data.buffer) release(made);
      }
    },
  };
};
