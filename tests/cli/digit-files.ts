import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
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

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([bigEndian(data.length), body, bigEndian(crc32(body))]);
};

/** A grey image of 8 bits a pixel as PNG (RFC 2083): each row behind a zero, which says that it is not filtered. */
const pngOf = (pixels: Uint8Array): Buffer => {
  const rows = Array.from({ length: SIDE }, (_, row) => [
    Uint8Array.of(0),
    pixels.subarray(row * SIDE, (row + 1) * SIDE),
  ]);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', Buffer.concat([bigEndian(SIDE, SIDE), Uint8Array.of(8, 0, 0, 0, 0)])),
    chunk('IDAT', deflateSync(Buffer.concat(rows.flat()))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
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
      await mkdir(join(folder, String(label)), { recursive: true });
      const image = pngOf(pixels.subarray(i * PIXELS, (i + 1) * PIXELS));
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
