import { zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { DataError } from './dataset.ts';
import { encodeNpy, parseNpy } from './npy.ts';
import { encodeNpz, parseNpz } from './npz.ts';

// numpy.save(f, numpy.array([[1, -2, 3]], dtype='<i2')), byte for byte (NEP 1: header padded to 64).
const NUMPY = Uint8Array.from([
  ...Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'),
  ...Buffer.from("{'descr': '<i2', 'fortran_order': False, 'shape': (1, 3), }".padEnd(117) + '\n'),
  ...Buffer.from([1, 0, 254, 255, 3, 0]),
]);

test('reads and writes what NumPy writes', () => {
  const array = parseNpy('a.npy', NUMPY);
  expect(array.shape).toEqual([1, 3]);
  expect(array.data).toEqual(Int16Array.of(1, -2, 3));
  expect(encodeNpy(array)).toEqual(NUMPY);
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

test.each([
  ['a missing array', { 'x.npy': NUMPY }, 'shard.npz: expected arrays x and y, got x'],
  [
    'a wrong number of labels',
    { 'x.npy': NUMPY, 'y.npy': encodeNpy({ data: Int32Array.of(1, 2), shape: [2] }) },
    'shard.npz: y: expected 1 labels, got 2',
  ],
  [
    'a negative label',
    { 'x.npy': NUMPY, 'y.npy': encodeNpy({ data: Int32Array.of(-1), shape: [1] }) },
    'shard.npz: y[0]: expected a class number from 0, got -1',
  ],
  [
    'a cut-off array',
    { 'x.npy': NUMPY.slice(0, -1), 'y.npy': NUMPY },
    'shard.npz[x]: expected 6 bytes of <i2 data, got 5',
  ],
])('%s is refused by name', (_, entries, message) => {
  expect(() => parseNpz('shard.npz', zipSync(entries))).toThrow(DataError);
  expect(() => parseNpz('shard.npz', zipSync(entries))).toThrow(message);
});

test('Fortran order and objects are refused', () => {
  const text = Buffer.from(NUMPY).toString('latin1');
  const edited = (from: string, to: string) =>
    Uint8Array.from(Buffer.from(text.replace(from, to), 'latin1'));
  expect(() => parseNpy('a', edited('False', ' True'))).toThrow('expected C order');
  expect(() => parseNpy('a', edited('<i2', '|O8'))).toThrow('dtype: expected one of');
});
