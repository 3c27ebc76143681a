import { parseCsv } from './csv.ts';
import { DataError, toLabels } from './dataset.ts';
import type { Examples, Labels, Loaded, NdArray } from './dataset.ts';
import { idxRank, isIdx, parseIdx, withChannel } from './idx.ts';
import { readImageFolder } from './image-folder.ts';
import { isNpz, parseNpz } from './npz.ts';
import { isParquet, parseParquet } from './parquet.ts';
import { contentOf, survey } from './source.ts';
import type { Source, SourceFile } from './source.ts';
import type { TableOptions } from './table.ts';

/** A way data lie on disk. */
interface Format {
  readonly name: string;
  /** Whether the source is of this format, told by content. */
  readonly detects: (source: Source) => boolean;
  readonly read: (source: Source, options: TableOptions) => Promise<Examples<Labels | NdArray>>;
}

/** The one file of a kind; several are told apart by a name with `train`. Throws DataError on any other number. */
const only = (source: Source, kind: string, is: (file: SourceFile) => boolean): SourceFile => {
  const all = source.files.filter(is);
  const train = all.filter(({ name }) => name.includes('train'));
  const [file, second] = all.length > 1 ? train : all;
  if (file && !second) return file;
  const held = all.map(({ name }) => name).join(', ') || 'none';
  throw new DataError(
    source.path,
    `expected one file with ${kind} (or one named train), got ${held}`,
  );
};

const idx: Format = {
  name: 'idx',
  detects: ({ files }) => files.some(({ head }) => isIdx(head)),
  async read(source) {
    const images = only(source, 'IDX examples', ({ head }) => isIdx(head) && idxRank(head) > 1);
    const labels = only(source, 'IDX labels', ({ head }) => isIdx(head) && idxRank(head) === 1);
    const x = withChannel(parseIdx(images.path, await contentOf(images)));
    const { data } = parseIdx(labels.path, await contentOf(labels));
    return { x, y: toLabels(labels.path, 'labels', data, x.shape[0] ?? 0) };
  },
};

const npz: Format = {
  name: 'npz',
  detects: ({ files }) => files.some(({ head }) => isNpz(head)),
  async read(source, options) {
    const file = only(source, 'arrays (.npz)', ({ head }) => isNpz(head));
    return parseNpz(file.path, await contentOf(file), options);
  },
};

const parquet: Format = {
  name: 'parquet',
  detects: ({ files }) => files.some(({ head }) => isParquet(head)),
  async read(source, options) {
    const file = only(source, 'rows (.parquet)', ({ head }) => isParquet(head));
    return parseParquet(file.path, await contentOf(file), options);
  },
};

const isText = (head: Uint8Array): boolean =>
  head.length > 0 && head.includes(0x2c) && !head.some((b) => b < 9 || (b > 13 && b < 32));

const csv: Format = {
  name: 'csv',
  detects: ({ files }) => files.some(({ head }) => isText(head)),
  async read(source, options) {
    const file = only(source, 'comma-separated values', ({ head }) => isText(head));
    return parseCsv(file.path, new TextDecoder().decode(await contentOf(file)), options);
  },
};

const images: Format = {
  name: 'image folder',
  detects: ({ folders }) => folders.length > 0,
  read: ({ path }, { classes }) => readImageFolder(path, classes),
};

/** Data formats, tried in this order. */
const FORMATS: readonly Format[] = [npz, parquet, idx, csv, images];

/**
 * Reads a data file or folder, whatever its format, told by content and not by name. Labels are classes unless the
 * options ask for `numbers`. Throws DataError naming the file and the field that is wrong.
 */
export const readData = async (
  path: string,
  options: TableOptions = {},
): Promise<Loaded<Labels | NdArray>> => {
  const source = await survey(path);
  const format = FORMATS.find(({ detects }) => detects(source));
  if (!format) {
    const held =
      source.folders.length === 0 && source.files.length === 0 ? 'nothing in it' : 'none';
    const names = FORMATS.map(({ name }) => name).join(', ');
    throw new DataError(path, `expected data as ${names}; found ${held}`);
  }
  const examples = await format.read(source, options);
  if (examples.x.shape[0] === 0) throw new DataError(path, 'holds no examples');
  return { ...examples, format: format.name };
};

/** {@link readData} with classes for labels. */
export const readExamples = async (
  path: string,
  options: Omit<TableOptions, 'numbers'> = {},
): Promise<Loaded> => {
  const { y, ...loaded } = await readData(path, options);
  if (y instanceof Int32Array) return { ...loaded, y };
  throw new DataError(path, 'expected classes for labels');
};
