import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { convertIndexedToRgb, decode as decodePng } from 'fast-png';
import jpeg from 'jpeg-js';
import { classesOf } from './classes.ts';
import { DataError } from './dataset.ts';
import type { Examples } from './dataset.ts';

/** 8-bit samples, pixel by pixel. */
interface Image {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

const png = (bytes: Uint8Array): Image => {
  const image = decodePng(bytes);
  if (image.depth === 16) throw new Error('16 bits a sample; 8 are needed');
  const { width, height } = image;
  if (image.palette) return { width, height, channels: 3, data: convertIndexedToRgb(image) };
  if (image.depth !== 8) throw new Error(`${image.depth} bits a sample; 8 are needed`);
  return { width, height, channels: image.channels, data: image.data as Uint8Array };
};

const jpg = (bytes: Uint8Array): Image => {
  const { width, height, data } = jpeg.decode(bytes, { useTArray: true });
  return { width, height, channels: 4, data };
};

/** Image formats by their first bytes. */
const FORMATS: readonly (readonly [readonly number[], (bytes: Uint8Array) => Image])[] = [
  [[0x89, 0x50, 0x4e, 0x47], png],
  [[0xff, 0xd8, 0xff], jpg],
];

const decoderOf = (bytes: Uint8Array): ((bytes: Uint8Array) => Image) | undefined =>
  FORMATS.find(([magic]) => magic.every((byte, i) => bytes[i] === byte))?.[1];

/** Channels that carry something: transparency is dropped, and colour where red, green and blue are equal throughout. */
const colours = ({ channels, data }: Image): number => {
  if (channels < 3) return 1;
  for (let i = 0; i < data.length; i += channels) {
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return 3;
  }
  return 1;
};

/** Names in order, without hidden ones: file managers and notebooks leave things of their own in folders. */
const visible = (names: readonly string[]): string[] =>
  names.filter((name) => !name.startsWith('.')).sort();

/**
 * Reads `folder/<class>/<image>`: PNG or JPEG, all of one size, as uint8 `[n, channels, height, width]` with one channel
 * if every image is grey, else three. Class folders named by whole numbers stand for themselves, others are numbered by
 * `classes` or sorted. Throws DataError with the file that differs or can't be decoded.
 */
export const readImageFolder = async (
  folder: string,
  classes?: readonly string[],
): Promise<Examples> => {
  const images: Image[] = [];
  const labels: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  const named = entries.filter((e) => e.isDirectory()).map((e) => e.name);
  for (const name of visible(named)) {
    for (const file of visible(await readdir(join(folder, name)))) {
      const path = join(folder, name, file);
      const bytes = await readFile(path);
      const decoder = decoderOf(bytes);
      if (!decoder) throw new DataError(path, 'expected a PNG or JPEG image');
      try {
        images.push(decoder(bytes));
      } catch (error) {
        throw new DataError(path, (error as Error).message);
      }
      labels.push(name);
      const [first, last] = [images[0] as Image, images.at(-1) as Image];
      if (first.width !== last.width || first.height !== last.height) {
        const [want, got] = [first, last].map(({ width, height }) => `${width} x ${height}`);
        throw new DataError(path, `size: expected ${want} as the images before, got ${got}`);
      }
    }
  }
  const [first] = images;
  if (!first) throw new DataError(folder, 'no image in its sub folders');
  const channels = images.some((image) => colours(image) === 3) ? 3 : 1;
  const area = first.width * first.height;
  const data = new Uint8Array(images.length * channels * area);
  for (const [i, image] of images.entries()) {
    for (let c = 0; c < channels; c++) {
      const source = image.channels < 3 ? 0 : c;
      const at = (i * channels + c) * area;
      for (let p = 0; p < area; p++) data[at + p] = image.data[p * image.channels + source] ?? 0;
    }
  }
  const shape = [images.length, channels, first.height, first.width];
  return { x: { data, shape }, ...classesOf(folder, 'class folder', labels, classes) };
};
