import { classesOf } from './classes.ts';
import { DataError } from './dataset.ts';
import type { Examples, Labels, NdArray } from './dataset.ts';

/** Columns taken for the label where none is named, in this order; then the last column. */
const LABEL_COLUMNS = ['label', 'class', 'target', 'y'];

export interface TableOptions {
  /** Name of the label column, or, for `numbers`, of several with commas between them. */
  readonly label?: string;
  /** Classes by name, where labels are not numbers: every site must give the same list. */
  readonly classes?: readonly string[];
  /** Labels are numbers to be met (float32), not classes. */
  readonly numbers?: boolean;
}

/** A named column; a cell is a number, a text, or a list of numbers (as long in every row). */
export interface TableColumn {
  readonly name: string;
  readonly cells: readonly unknown[];
}

/**
 * Examples from a table: every column but the label is a feature (float32, `[n, features]`; a list's elements are
 * features side by side). Throws DataError with the place of the first cell that isn't a number; `place` names a row.
 */
export const tableExamples = (
  file: string,
  columns: readonly TableColumn[],
  { label, classes, numbers = false }: TableOptions,
  place: (row: number) => string,
): Examples<Labels | NdArray> => {
  const names = columns.map(({ name }) => name);
  const wanted = numbers && label !== undefined ? label.split(',') : [label ?? usual(names)];
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new DataError(file, `label column '${missing}': the columns are ${names.join(', ')}`);
  }
  const features = columns.filter(({ name }) => !wanted.includes(name));
  if (features.length === 0)
    throw new DataError(file, 'expected a label and at least one feature column');
  const x = matrix(file, features, place);
  const truth = columns.filter(({ name }) => wanted.includes(name));
  if (numbers) return { x, y: matrix(file, truth, place) };
  const cells = (truth[0]?.cells ?? []).map(textOf);
  return { x, ...classesOf(file, `column '${wanted[0]}'`, cells, classes) };
};

const usual = (names: readonly string[]): string =>
  LABEL_COLUMNS.find((name) => names.includes(name)) ?? names.at(-1) ?? '';

/** Columns as the rows of a float32 matrix. */
const matrix = (
  file: string,
  columns: readonly TableColumn[],
  place: (row: number) => string,
): NdArray => {
  const rows = columns[0]?.cells.length ?? 0;
  const widths = columns.map(({ cells }) => listOf(cells[0]).length);
  const width = widths.reduce((sum, each) => sum + each, 0);
  const data = new Float32Array(rows * width);
  let from = 0;
  for (const [i, { name, cells }] of columns.entries()) {
    for (let row = 0; row < rows; row++) {
      const list = listOf(cells[row]);
      const where = `${place(row)}, column '${name}'`;
      if (list.length !== widths[i]) {
        const problem = `expected ${widths[i]} numbers, got ${list.length}`;
        throw new DataError(file, `${where}: ${problem}`);
      }
      for (let k = 0; k < list.length; k++) {
        data[row * width + from + k] = numberOf(list[k], file, where);
      }
    }
    from += widths[i] ?? 0;
  }
  return { data, shape: [rows, width] };
};

const listOf = (cell: unknown): ArrayLike<unknown> =>
  Array.isArray(cell) || (ArrayBuffer.isView(cell) && !(cell instanceof DataView))
    ? (cell as unknown as ArrayLike<unknown>)
    : [cell];

const numberOf = (cell: unknown, file: string, where: string): number => {
  const empty = cell === '' || cell === null || cell === undefined;
  const value = empty || cell instanceof Date ? NaN : Number(cell);
  if (Number.isFinite(value)) return value;
  throw new DataError(file, `${where}: expected a number, got '${textOf(cell)}'`);
};

const textOf = (cell: unknown): string => {
  if (typeof cell === 'string') return cell;
  return cell === null || cell === undefined ? '' : (JSON.stringify(cell, plain) ?? '');
};

/** JSON has no integers of 64 bits. */
const plain = (_: string, value: unknown): unknown =>
  typeof value === 'bigint' ? Number(value) : value;
