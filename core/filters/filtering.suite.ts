import { DTYPES } from '../tensors/dtype.ts';
import type { Dtype } from '../tensors/dtype.ts';
import { fromFloat64, toFloat64 } from '../tensors/elements.ts';
import type { Result } from '../tensors/result.ts';
import type { Tensor, Tensors } from '../tensors/tensor.ts';
import { chachaUniform } from '../privacy/chacha.ts';
import { filterParcel } from './chain.ts';
import type { Parcel, ParcelContext, Received } from './chain.ts';
import type { Filter } from './filter.ts';
import { findFilter } from './registry.ts';
import { collect, sourceOf } from './tensor-source.ts';

/** A tensor as the vectors write it. */
export interface Listed {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
export type ListedTensors = Readonly<Record<string, Listed>>;

export const tensor = (dtype: Dtype, ...values: number[]): Tensor => ({
  dtype,
  shape: [values.length],
  data: fromFloat64(dtype, Float64Array.from(values)),
});

export const fromListed = (listed: ListedTensors): Tensors =>
  new Map(
    Object.entries(listed).map(([name, { dtype, shape, data }]) => [
      name,
      { dtype, shape, data: fromFloat64(dtype, Float64Array.from(data)) },
    ]),
  );

export const toListed = (tensors: Tensors): ListedTensors =>
  Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data }]) => [
      name,
      { dtype, shape, data: [...toFloat64(dtype, data)] },
    ]),
  );

/** The filter of the registry with these arguments, which it must accept. */
export const made = (name: string, args: unknown = {}): Filter => {
  const filter = findFilter(name)?.make(args);
  if (!filter?.ok) throw new Error(`${name}: ${JSON.stringify(filter?.error)}`);
  return filter.value;
};

/** The paths at which arguments are refused. */
export const refusedAt = (name: string, args: unknown): readonly string[] => {
  const filter = findFilter(name)?.make(args);
  return !filter || filter.ok ? [] : filter.error.map(({ path }) => path);
};

/** A model in memory, as the one that a task brought. */
export const receivedOf = (tensors: Tensors): Received => ({
  specs: new Map(sourceOf(tensors).specs.map((spec) => [spec.name, spec])),
  read: (name, from, to) => {
    const found = tensors.get(name);
    if (!found) throw new Error(`no ${name}`);
    return found.data.subarray(from, to);
  },
});

interface Options extends Partial<ParcelContext> {
  readonly parcel?: Partial<Parcel>;
  /** Elements a piece. */
  readonly piece?: number;
  /** Part of the key of the random numbers. */
  readonly seed?: number;
}

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);

/** A DIFF through filters, a fault thrown; its tensors are collected. */
export const filtered = (
  filters: readonly Filter[],
  tensors: Tensors,
  options: Options = {},
): Omit<Parcel, 'tensors'> & { readonly tensors: Tensors } => {
  const result = attempt(filters, tensors, options);
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return { ...result.value, tensors: collect(result.value.tensors) };
};

export const attempt = (
  filters: readonly Filter[],
  tensors: Tensors,
  { parcel, piece, seed = 0, ...context }: Options = {},
): Result<
  Parcel,
  { readonly reason: string; readonly filter: string; readonly detail: string }
> => {
  const key = KEY.with(0, seed % 256).with(1, 1 + Math.floor(seed / 256));
  return filterParcel(
    filters,
    { kind: 'WEIGHT_DIFF', meta: {}, tensors: sourceOf(tensors, piece), ...parcel },
    {
      roles: new Map(),
      random: (stream, substream) => chachaUniform(key, stream, substream),
      ...context,
    },
  );
};

/** Bytes of tensors, by name. */
export const bytesOf = (tensors: Tensors): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(
    [...tensors].map(([name, { dtype, data }]) => {
      if (!(data instanceof DTYPES[dtype].array)) throw new Error(`${name} is no ${dtype}`);
      return [name, [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]];
    }),
  );
