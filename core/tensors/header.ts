import { DTYPES, isDtype } from './dtype.ts';
import type { Dtype } from './dtype.ts';
import { shown, tensorFault } from './fault.ts';
import type { TensorFault } from './fault.ts';
import { HeaderError, HeaderScanner } from './header-scanner.ts';
import { byteSize, fillFault, layoutFrom, nameFault, showShape } from './layout.ts';
import type { Layout, TensorEntry } from './layout.ts';
import { err, ok } from './result.ts';
import type { Result } from './result.ts';

/** A safetensors file is: its header's length (8 bytes), the header (JSON), the data region. */
export const PREFIX_BYTES = 8;

/** Length of the JSON that follows the first 8 bytes; a fault where it is above `max`, however large, or below 2. */
export const headerLength = (first8: Uint8Array, max: number): Result<number, TensorFault> => {
  if (first8.length < PREFIX_BYTES) {
    return err({
      reason: 'truncated',
      expected: '8 bytes of header length',
      got: `${first8.length}`,
    });
  }
  const length = new DataView(first8.buffer, first8.byteOffset, PREFIX_BYTES).getBigUint64(0, true);
  if (length > BigInt(max)) {
    return err({ reason: 'header-too-long', expected: `at most ${max} bytes`, got: `${length}` });
  }
  if (length < 2n) {
    return err({ reason: 'header-malformed', expected: 'a JSON object', got: `${length} bytes` });
  }
  return ok(Number(length));
};

/**
 * Reads and checks a header's JSON: strict UTF-8, each key once, only `dtype`, `shape`, `data_offsets` per tensor and a
 * map of strings in `__metadata__`; shapes that give the bytes, which fill the data region without overlap or hole.
 * The data region's actual length is for `checkDataLength`. Format: huggingface/safetensors, README "Format".
 */
export const parseHeader = (
  json: Uint8Array,
  { maxTensors }: { readonly maxTensors: number },
): Result<Layout, TensorFault> => {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(json);
  } catch {
    return err({ reason: 'header-malformed', expected: 'UTF-8', got: 'other bytes' });
  }
  try {
    return readHeader(text, maxTensors);
  } catch (error) {
    if (error instanceof HeaderError) return err(error.fault);
    throw error;
  }
};

const readHeader = (text: string, maxTensors: number): Result<Layout, TensorFault> => {
  if (!text.startsWith('{')) {
    return err({ reason: 'header-malformed', expected: "'{' first", got: shown(text.slice(0, 1)) });
  }
  const scan = new HeaderScanner(text);
  const metadata = new Map<string, string>();
  const entries: TensorEntry[] = [];
  scan.object((name) => {
    if (name === '__metadata__') scan.object((key) => metadata.set(key, scan.string()));
    else if (entries.length < maxTensors) entries.push(readTensor(scan, name));
    else {
      const [expected, got] = [`at most ${maxTensors} tensors`, 'more'];
      throw new HeaderError({ reason: 'too-many-tensors', expected, got });
    }
  });
  scan.end();
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const fault = fillFault(entries);
  return fault ? err(fault) : ok(layoutFrom(entries, metadata));
};

const readTensor = (scan: HeaderScanner, name: string): TensorEntry => {
  const fail = (reason: TensorFault['reason'], expected: string, got: string): never => {
    throw new HeaderError(tensorFault(reason, name, expected, got));
  };
  const badName = nameFault(name);
  if (badName) throw new HeaderError(badName);
  let dtype: Dtype | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  scan.object((key) => {
    if (key === 'dtype') {
      const text = scan.string();
      dtype = isDtype(text) ? text : fail('bad-dtype', Object.keys(DTYPES).join(', '), shown(text));
    } else if (key === 'shape') shape = scan.integers();
    else if (key === 'data_offsets') offsets = scan.integers();
    else fail('header-malformed', 'dtype, shape, data_offsets', shown(key));
  });
  if (!dtype || !shape || !offsets) {
    return fail('header-malformed', 'dtype, shape, data_offsets', 'fewer');
  }
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length !== 2 || end < begin) {
    return fail('header-malformed', 'data_offsets [begin, end]', showShape(offsets));
  }
  const bytes = byteSize(dtype, shape);
  if (bytes !== end - begin) {
    const need = bytes === undefined ? 'a size below 2^53' : `${bytes} bytes`;
    return fail('bad-shape', `${need} for ${dtype} ${showShape(shape)}`, `${end - begin} bytes`);
  }
  return { name, dtype, shape, begin, end };
};

/**
 * Header of a file: 8 bytes of length, then the JSON in the order given, padded with spaces so that the data region
 * starts at a multiple of 8. Trusts its entries (from a Layout).
 */
export const encodeHeader = (
  entries: readonly TensorEntry[],
  metadata: ReadonlyMap<string, string> = new Map(),
): Uint8Array<ArrayBuffer> => {
  // Written by hand: as an object's keys, `1` would move and `__proto__` would vanish.
  const pair = (key: string, value: string): string => `${JSON.stringify(key)}:${value}`;
  const members = entries.map(({ name, dtype, shape, begin, end }) =>
    pair(
      name,
      `{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${begin},${end}]}`,
    ),
  );
  if (metadata.size > 0) {
    const strings = [...metadata].map(([key, value]) => pair(key, JSON.stringify(value)));
    members.unshift(pair('__metadata__', `{${strings.join(',')}}`));
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(PREFIX_BYTES + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, PREFIX_BYTES);
  return header;
};

/**
 * More than the JSON of these entries takes in any usual spelling: names with every character escaped, spaces after `:` and
 * `,`. For bounding what is read before it is understood.
 */
export const headerBound = ({ entries, dataBytes }: Layout): number =>
  entries.reduce(
    (sum, { name, shape }) =>
      sum + 6 * name.length + 80 + 18 * shape.length + 2 * `${dataBytes}`.length,
    2,
  );

/** The one header of a model that this layout describes: layout order, no `__metadata__`. Same model, same bytes. */
export const canonicalHeader = (layout: Layout): Uint8Array<ArrayBuffer> =>
  encodeHeader(layout.entries);
