import { expect, test } from 'vitest';
import type { InputSpec, Manifest } from '../../../core/tensors/manifest.ts';
import { fitted } from './fit.ts';

const taking = (shape: InputSpec['shape'], dtype: InputSpec['dtype'] = 'F32') =>
  ({ inputs: { x: { input: 'x', dtype, shape } } }) as unknown as Manifest;
const bytes = (shape: number[], ...values: number[]) => ({
  x: { data: Uint8Array.from(values), shape },
  y: Int32Array.of(0),
  format: 'npz',
});

test('bytes are divided by 255 for a model of floats, and left alone for one of bytes', () => {
  const { x } = fitted('f', bytes([1, 2], 255, 51), taking(['batch', 2]));
  expect(x).toEqual({ data: Float32Array.of(1, 0.2), shape: [1, 2] });
  expect(fitted('f', bytes([1, 2], 255, 51), taking(['batch', 2], 'U8')).x.data).toEqual(
    Uint8Array.of(255, 51),
  );
});

test('means and deviations are per channel', () => {
  const data = bytes([1, 2, 1, 2], 1, 2, 3, 4);
  const fit = { scale: 1, mean: [1, 3], std: [1, 0.5] };
  const { x } = fitted('f', data, taking(['batch', 2, 1, 2]), fit);
  expect([...x.data]).toEqual([0, 1, 0, 2]);
  expect(() => fitted('f', data, taking(['batch', 2, 1, 2]), { mean: [1, 2, 3] })).toThrow(
    'f: mean: expected one number or 2, one per channel, got 3',
  );
});

test('a grey image fills three channels; a row of a table fills the shape it has the elements for', () => {
  const grey = fitted('f', bytes([1, 1, 1, 2], 255, 0), taking(['batch', 3, 1, 2]));
  expect(grey.x).toEqual({ data: Float32Array.of(1, 0, 1, 0, 1, 0), shape: [1, 3, 1, 2] });
  const row = fitted('f', bytes([1, 4], 0, 0, 0, 255), taking(['batch', 1, 2, 2]));
  expect(row.x.shape).toEqual([1, 1, 2, 2]);
});

test('a class that the model does not have is named', () => {
  const labels = { ...bytes([2, 1], 0, 0), y: Int32Array.of(9, 10) };
  expect(() => fitted('f', labels, taking(['batch', 1]), { classes: 10 })).toThrow(
    'f: y[1]: expected a class from 0 to 9, as the model has, got 10',
  );
});
