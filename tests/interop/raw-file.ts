import { createHash } from 'node:crypto';

type Bytes = Uint8Array<ArrayBuffer>;

/** A blob's name. */
export const digestOf = (bytes: Uint8Array): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

export const join = (...parts: readonly Uint8Array[]): Bytes => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** A safetensors file of any header text, right or wrong, and any data; `length` overrides the 8 bytes that count it. */
export function rawFile(header: string, data: Uint8Array, length?: bigint): Bytes {
  const text = new TextEncoder().encode(header);
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  return join(prefix, text, data);
}

export const floats = (values: readonly number[]): Bytes =>
  new Uint8Array(new Float32Array(values).buffer);

/** One tensor of a header: `"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`. */
export const entry = (
  name: string,
  shape: readonly (number | string)[],
  offsets: readonly (number | string)[],
  dtype = 'F32',
): string =>
  `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(',')}],"data_offsets":[${offsets.join(',')}]}`;

/** `__metadata__` of a result. */
export const flModel = (header: object | string): string =>
  `"__metadata__":{"fl_model":${JSON.stringify(typeof header === 'string' ? header : JSON.stringify(header))}}`;

/** Header from its members. */
export const headerOf = (...members: readonly string[]): string => `{${members.join(',')}}`;

/** A well-formed file of float32 vectors. */
export function vectors(
  values: Readonly<Record<string, readonly number[]>>,
  ...extra: string[]
): Bytes {
  let at = 0;
  const members = Object.entries(values).map(([name, numbers]) => {
    const begin = at;
    at += numbers.length * 4;
    return entry(name, [numbers.length], [begin, at]);
  });
  return rawFile(headerOf(...extra, ...members), join(...Object.values(values).map(floats)));
}
