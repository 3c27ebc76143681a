import { DTYPES } from './dtype.ts';
import type { Dtype } from './dtype.ts';
import { shown, tensorFault } from './fault.ts';
import type { TensorFault } from './fault.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';

/** A tensor without its bytes. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Where a tensor lies: bytes [begin, end) of the data region that follows a safetensors header. */
export interface TensorEntry extends TensorSpec {
  readonly begin: number;
  readonly end: number;
}

/** A safetensors header, checked: its tensors fill the data region exactly, each aligned to its element size. */
export interface Layout {
  /** In data order. */
  readonly entries: readonly TensorEntry[];
  readonly byName: ReadonlyMap<string, TensorEntry>;
  readonly dataBytes: number;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Longest name of a tensor, in UTF-16 units: names are repeated in every header and row. */
export const MAX_NAME = 256;

/** What a tensor name must not be, with the words for it. */
const BAD_NAMES: readonly (readonly [what: string, is: (name: string) => boolean])[] = [
  ['an empty name', (name) => name.length === 0],
  [`more than ${MAX_NAME} characters`, (name) => name.length > MAX_NAME],
  ['the reserved name __metadata__', (name) => name === '__metadata__'],
  ['a control character', (name) => /\p{Cc}/u.test(name)],
  ['a lone surrogate', (name) => !name.isWellFormed()],
];

/** What is wrong with a tensor name, if anything: it is 1 to 256 characters, well-formed, without control characters. */
export const nameFault = (name: string): TensorFault | undefined => {
  const got = BAD_NAMES.find(([, is]) => is(name))?.[0];
  if (got === undefined) return undefined;
  return tensorFault('bad-name', name, `1 to ${MAX_NAME} printable characters`, got);
};

/** Bytes that a dtype and shape take, or undefined where a dimension or the product is not a safe integer >= 0. */
export const byteSize = (dtype: Dtype, shape: readonly number[]): number | undefined => {
  let elements = 1;
  let empty = false;
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0) return undefined;
    if (d === 0) empty = true;
    else if (elements <= Number.MAX_SAFE_INTEGER) elements *= d;
  }
  const bytes = empty ? 0 : elements * DTYPES[dtype].bytes;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
};

/** A layout from entries that `fillFault` found no fault with. */
export const layoutFrom = (
  entries: readonly TensorEntry[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Layout => ({
  entries,
  byName: new Map(entries.map((entry) => [entry.name, entry])),
  dataBytes: entries.at(-1)?.end ?? 0,
  metadata,
});

/**
 * Packs tensors one behind another: larger elements first (stable), as the `safetensors` package does, so that every
 * tensor is aligned. Throws RangeError on a bad or repeated name and on a shape that is not one.
 */
export const packLayout = (
  specs: Iterable<TensorSpec>,
  metadata?: ReadonlyMap<string, string>,
): Layout => {
  const sorted = [...specs].sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  let begin = 0;
  const entries = sorted.map(({ name, dtype, shape }): TensorEntry => {
    const fault = nameFault(name);
    if (fault) throw new RangeError(`tensor name '${shown(name)}': ${fault.got}`);
    const bytes = byteSize(dtype, shape);
    if (bytes === undefined) throw new RangeError(`tensor '${name}': shape [${shape.join(', ')}]`);
    const entry = { name, dtype, shape, begin, end: begin + bytes };
    begin = entry.end;
    return entry;
  });
  const layout = layoutFrom(entries, metadata);
  if (layout.byName.size !== entries.length) throw new RangeError('a tensor name is repeated');
  return layout;
};

/** What keeps entries (in data order) from filling the data region exactly, if anything. */
export const fillFault = (entries: readonly TensorEntry[]): TensorFault | undefined => {
  let filled = 0;
  for (const { name, dtype, begin, end } of entries) {
    const at = `begin at ${filled}`;
    if (begin < filled) return tensorFault('overlap', name, at, `begin at ${begin}`);
    if (begin > filled) return tensorFault('hole', name, at, `begin at ${begin}`);
    const { bytes } = DTYPES[dtype];
    if (begin % bytes !== 0) {
      return tensorFault(
        'unaligned',
        name,
        `an offset divisible by ${bytes} (${dtype})`,
        `${begin}`,
      );
    }
    filled = end;
  }
  return undefined;
};

/** Checks that the bytes behind a header are as many as it says. */
export const checkDataLength = (layout: Layout, dataBytes: number): Result<void, TensorFault> =>
  dataBytes === layout.dataBytes
    ? ok(undefined)
    : err({
        reason: 'length-mismatch',
        expected: `${layout.dataBytes} bytes of tensor data`,
        got: `${dataBytes}`,
      });

/**
 * Checks that an update is about the job's model: known names, same dtype and shape, every tensor there unless
 * `partial`, and at least one. Order and offsets are free. Reports the first fault in data order.
 */
export const matchLayout = (
  job: Layout,
  got: Layout,
  { partial }: { readonly partial: boolean },
): Result<void, TensorFault> => {
  if (got.entries.length === 0) {
    return err({ reason: 'no-tensors', expected: 'at least one tensor', got: 'none' });
  }
  for (const { name, dtype, shape } of got.entries) {
    const want = job.byName.get(name);
    if (!want) {
      const expected = `one of the model's ${job.entries.length} tensors`;
      return err(tensorFault('unknown-tensor', name, expected, shown(name)));
    }
    if (dtype !== want.dtype) return err(tensorFault('wrong-dtype', name, want.dtype, dtype));
    if (shape.length !== want.shape.length || shape.some((d, i) => d !== want.shape[i])) {
      return err(tensorFault('wrong-shape', name, showShape(want.shape), showShape(shape)));
    }
  }
  if (partial) return ok(undefined);
  const missing = job.entries.find(({ name }) => !got.byName.has(name));
  return missing
    ? err(
        tensorFault(
          'missing-tensor',
          missing.name,
          `${missing.dtype} ${showShape(missing.shape)}`,
          'nothing',
        ),
      )
    : ok(undefined);
};

/** A shape for people: `[3, 4]`, cut to 16 dimensions. */
export const showShape = (shape: readonly number[]): string =>
  `[${shape.slice(0, 16).join(', ')}${shape.length > 16 ? ', …' : ''}]`;
