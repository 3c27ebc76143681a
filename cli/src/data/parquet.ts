import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { parquetMetadata, parquetReadObjects, parquetSchema } from 'hyparquet';
import { DataError } from './dataset.ts';
import type { Examples, Labels, NdArray } from './dataset.ts';
import { tableExamples } from './table.ts';
import type { TableOptions } from './table.ts';

const MAGIC = 'PAR1';

export const isParquet = (head: Uint8Array): boolean =>
  new TextDecoder('latin1').decode(head.subarray(0, 4)) === MAGIC;

/** Snappy and no compression are hyparquet's own; these are Node's. */
const compressors = {
  GZIP: (bytes: Uint8Array): Uint8Array => gunzipSync(bytes),
  BROTLI: (bytes: Uint8Array): Uint8Array => brotliDecompressSync(bytes),
};

/** Reads a Parquet file ({@link tableExamples}); a column may hold lists of numbers. Throws DataError on any other. */
export const parseParquet = async (
  file: string,
  bytes: Uint8Array<ArrayBuffer>,
  options: TableOptions = {},
): Promise<Examples<Labels | NdArray>> => {
  const { buffer } = bytes;
  let names: string[];
  let rows: Record<string, unknown>[];
  try {
    const metadata = parquetMetadata(buffer);
    names = parquetSchema(metadata).children.map(({ element }) => element.name);
    rows = await parquetReadObjects({ file: buffer, metadata, compressors });
  } catch (error) {
    throw new DataError(file, `not a readable Parquet file (${(error as Error).message})`);
  }
  if (rows.length === 0) throw new DataError(file, 'holds no rows');
  const columns = names.map((name) => ({ name, cells: rows.map((row) => row[name]) }));
  return tableExamples(file, columns, options, (row) => `row ${row}`);
};
