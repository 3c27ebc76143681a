import { readFileSync } from 'node:fs';
import { unzipSync, zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { DataError } from './dataset.ts';
import { encodeNpy, parseNpy } from './npy.ts';
import { encodeNpz, parseNpz } from './npz.ts';

// Files that NumPy wrote: see make.py beside them.
const vector = (name: string): Uint8Array =>
  new Uint8Array(
    readFileSync(new URL(`../../../tests/vectors/numpy/${name}.npz`, import.meta.url)),
  );
const arrays = (name: string): [name: string, file: Uint8Array][] =>
  Object.entries(unzipSync(vector(name))).map(([file, bytes]) => [
    file.replace(/\.npy$/, ''),
    bytes,
  ]);

const VALUES = [0, 1, 2, 3, 100, 127];
const DTYPES = {
  b1: Uint8Array.of(0, 0, 1, 1, 1, 1),
  u1: Uint8Array.from(VALUES),
  i1: Int8Array.from(VALUES),
  u2: Uint16Array.from(VALUES),
  i2: Int16Array.from(VALUES),
  i4: Int32Array.from(VALUES),
  i8: BigInt64Array.from(VALUES, BigInt),
  f4: Float32Array.from(VALUES),
  f8: Float64Array.from(VALUES),
};

test('reads each dtype that NumPy writes, and writes the same bytes', () => {
  const files = arrays('dtypes');
  expect(files.map(([name]) => name).sort()).toEqual(Object.keys(DTYPES).sort());
  for (const [name, bytes] of files) {
    const array = parseNpy(name, bytes);
    expect(array, name).toEqual({ data: DTYPES[name as keyof typeof DTYPES], shape: [2, 3] });
    // Truth values are bytes to us.
    if (name !== 'b1') expect(encodeNpy(array), name).toEqual(bytes);
  }
});

test('reads and writes arrays without elements, and of no dimension', () => {
  const shapes = { scalar: [], none: [0], row: [4], hollow: [2, 0, 3] };
  for (const [name, bytes] of arrays('shapes')) {
    const array = parseNpy(name, bytes);
    expect(array.shape).toEqual(shapes[name as keyof typeof shapes]);
    expect([...array.data]).toEqual([0, 1, 2, 3].slice(0, { scalar: 1, row: 4 }[name] ?? 0));
    expect(encodeNpy(array), name).toEqual(bytes);
  }
});

test('reads all three versions of the format', () => {
  const files = arrays('versions');
  expect(files.map(([, bytes]) => bytes[6])).toEqual([1, 2, 3]);
  for (const [name, bytes] of files) {
    expect(parseNpy(name, bytes)).toEqual({ data: Int16Array.of(1, -2, 3), shape: [1, 3] });
  }
});

test.each(['examples', 'examples-compressed'])('reads %s.npz', (name) => {
  expect(parseNpz('shard.npz', vector(name))).toEqual({
    x: { data: Uint8Array.from({ length: 12 }, (_, i) => i), shape: [3, 1, 2, 2] },
    y: Int32Array.of(7, 0, 2),
  });
});

test('what is no C-ordered array of plain numbers is refused', () => {
  const messages = {
    big: 'got >f4',
    complex: 'got <c8',
    half: 'got <f2',
    text: 'got <U2',
    objects: 'got |O',
    record: 'dtype: expected one of',
    fortran: 'expected C order; save it with numpy.ascontiguousarray',
  };
  const files = arrays('refused');
  expect(files).toHaveLength(Object.keys(messages).length);
  for (const [name, bytes] of files) {
    expect(() => parseNpy(name, bytes)).toThrow(DataError);
    expect(() => parseNpy(name, bytes)).toThrow(messages[name as keyof typeof messages]);
  }
});

test('npz keeps examples and labels, and is the same bytes each time', () => {
  const examples = {
    x: { data: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [2, 1, 3] },
    y: Int32Array.of(7, 0),
  };
  const bytes = encodeNpz(examples);
  expect(parseNpz('shard.npz', bytes)).toEqual(examples);
  expect(encodeNpz(examples)).toEqual(bytes);
});

const NUMBERS = encodeNpy({ data: Int16Array.of(1, -2, 3), shape: [1, 3] });
test.each([
  ['a missing array', { 'x.npy': NUMBERS }, 'shard.npz: expected arrays x and y, got x'],
  [
    'a wrong number of labels',
    { 'x.npy': NUMBERS, 'y.npy': encodeNpy({ data: Int32Array.of(1, 2), shape: [2] }) },
    'shard.npz: y: expected 1 labels, got 2',
  ],
  [
    'a negative label',
    { 'x.npy': NUMBERS, 'y.npy': encodeNpy({ data: Int32Array.of(-1), shape: [1] }) },
    'shard.npz: y[0]: expected a class number from 0, got -1',
  ],
  [
    'a cut-off array',
    { 'x.npy': NUMBERS.slice(0, -1), 'y.npy': NUMBERS },
    'shard.npz[x]: expected 6 bytes of <i2 data, got 5',
  ],
])('%s is refused by name', (_, entries, message) => {
  expect(() => parseNpz('shard.npz', zipSync(entries))).toThrow(DataError);
  expect(() => parseNpz('shard.npz', zipSync(entries))).toThrow(message);
});
