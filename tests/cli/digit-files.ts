import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode as encodePng } from 'fast-png';
import { encodeNpz } from '../../cli/src/data/npz.ts';
import type { Examples } from '../../cli/src/data/dataset.ts';
import { digits } from '../../client-kit/tests/digits.ts';

const SIDE = 28;
const PIXELS = SIDE * SIDE;

/** Writes examples into a folder in one format. */
type Writer = (
  folder: string,
  pixels: Uint8Array,
  labels: Int32Array<ArrayBuffer>,
) => Promise<void>;

const bigEndian = (...numbers: readonly number[]): Buffer => {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [i, number] of numbers.entries()) bytes.writeUInt32BE(number, i * 4);
  return bytes;
};

/** Ways in which a site may hold digits. */
const WRITERS = {
  npz: async (folder, pixels, y) => {
    const x: Examples['x'] = { data: Uint8Array.from(pixels), shape: [y.length, 1, SIDE, SIDE] };
    await writeFile(join(folder, 'digits.npz'), encodeNpz({ x, y }));
  },
  idx: async (folder, pixels, y) => {
    const images = Buffer.concat([bigEndian(0x803, y.length, SIDE, SIDE), pixels]);
    await writeFile(join(folder, 'images'), images);
    await writeFile(
      join(folder, 'labels'),
      Buffer.concat([bigEndian(0x801, y.length), Uint8Array.from(y)]),
    );
  },
  csv: async (folder, pixels, y) => {
    const head = ['digit', ...Array.from({ length: PIXELS }, (_, i) => `pixel ${i}`)];
    const rows = Array.from(y, (label, i) => [
      label,
      ...Array.from(pixels.subarray(i * PIXELS, (i + 1) * PIXELS), (value) =>
        (value / 255).toFixed(3),
      ),
    ]);
    await writeFile(
      join(folder, 'digits.csv'),
      [head, ...rows].map((row) => row.join()).join('\n'),
    );
  },
  png: async (folder, pixels, y) => {
    for (const [i, label] of y.entries()) {
      const data = pixels.slice(i * PIXELS, (i + 1) * PIXELS);
      await mkdir(join(folder, String(label)), { recursive: true });
      const image = encodePng({ width: SIDE, height: SIDE, channels: 1, depth: 8, data });
      await writeFile(join(folder, String(label), `${i}.png`), image);
    }
  },
} satisfies Record<string, Writer>;

/** Makes a folder of MNIST's training digits `from` to `to`: real ones, as a site would have them. */
export async function digitFolder(
  folder: string,
  format: keyof typeof WRITERS,
  from: number,
  to: number,
): Promise<void> {
  const { x, y } = digits('train', from, to);
  await mkdir(folder, { recursive: true });
  await WRITERS[format](folder, x.data as Uint8Array, Int32Array.from(y));
}
