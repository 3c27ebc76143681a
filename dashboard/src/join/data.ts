import { fitted } from '../../../cli/src/data/fit.ts';
import { parseCsv } from '../../../cli/src/data/csv.ts';
import { DataError, toLabels } from '../../../cli/src/data/dataset.ts';
import type { Examples, Labels, NdArray } from '../../../cli/src/data/dataset.ts';
import { idxRank, isIdx, parseIdx, withChannel } from '../../../cli/src/data/idx.ts';
import { isNpz, parseNpz } from '../../../cli/src/data/npz.ts';
import type { Dataset } from '../../../client-kit/src/onnx.ts';
import type { JobSpec } from '../../../core/protocol/job.ts';

interface Opened {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const open = async (file: File): Promise<Opened> => {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return { name: file.name, bytes };
  const unpacked = file.stream().pipeThrough(new DecompressionStream('gzip'));
  return { name: file.name, bytes: new Uint8Array(await new Response(unpacked).arrayBuffer()) };
};

const pairOf = (files: readonly Opened[]): Examples => {
  const images = files.find(({ bytes }) => isIdx(bytes) && idxRank(bytes) > 1);
  const labels = files.find(({ bytes }) => isIdx(bytes) && idxRank(bytes) === 1);
  if (!images || !labels) {
    const names = files.map(({ name }) => name).join(', ');
    throw new DataError(names, 'expected IDX examples and IDX labels, or one file of another kind');
  }
  const x = withChannel(parseIdx(images.name, images.bytes));
  const { data } = parseIdx(labels.name, labels.bytes);
  return { x, y: toLabels(labels.name, 'labels', data, x.shape[0] ?? 0) };
};

/**
 * Reads the examples in files, told apart by content. Throws DataError, which begins with the file's name, where they
 * are none.
 */
export const readFiles = async (
  files: readonly File[],
  { numbers = false }: { readonly numbers?: boolean } = {},
): Promise<Examples<Labels | NdArray>> => {
  const opened = await Promise.all(files.map(open));
  const [first, second] = opened;
  if (!first) throw new DataError('files', 'choose one, or a pair of IDX files');
  if (second || isIdx(first.bytes)) return pairOf(opened);
  if (isNpz(first.bytes)) return parseNpz(first.name, first.bytes, { numbers });
  return parseCsv(first.name, new TextDecoder().decode(first.bytes), { numbers });
};

/** The files as a job's programs take them. Throws DataError where they are not of its kind. */
export const datasetFor = async (files: readonly File[], spec: JobSpec): Promise<Dataset> => {
  const manifest = (spec.programs['train'] ?? spec.programs['evaluate'])?.manifest;
  const numbers = manifest?.inputs.y?.dtype === 'F32';
  const examples = await readFiles(files, { numbers });
  const classes = spec.data?.y?.classes;
  if (!manifest) return examples;
  return fitted(files[0]?.name ?? '', { ...examples, format: '' }, manifest, { classes });
};
