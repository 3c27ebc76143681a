import { classesOf } from './classes.ts';
import { DataError } from './dataset.ts';
import type { Examples } from './dataset.ts';

/** Columns taken for the label where none is named, in this order; then the last column. */
const LABEL_COLUMNS = ['label', 'class', 'target', 'y'];

export interface CsvOptions {
  /** Name of the label column. */
  readonly label?: string;
  /** Classes by name, where labels are not numbers: every site must give the same list. */
  readonly classes?: readonly string[];
}

/** One line's cells (RFC 4180: a quoted cell may hold commas and doubled quotes, but here no line breaks). */
const cells = (line: string): string[] => {
  const found: string[] = [];
  for (const [, quoted, plain] of line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    found.push((quoted?.replaceAll('""', '"') ?? plain ?? '').trim());
  }
  return found;
};

/**
 * Reads a CSV with a header line: every column but the label is a feature (float32, `[n, features]`). Throws DataError
 * with line and column of the first cell that isn't a number.
 */
export const parseCsv = (
  file: string,
  text: string,
  options: CsvOptions = {},
): Examples & { classes?: readonly string[] } => {
  const [head = '', ...lines] = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((l) => l.trim() !== '');
  const columns = cells(head);
  const wanted =
    options.label ?? LABEL_COLUMNS.find((name) => columns.includes(name)) ?? columns.at(-1);
  const at = columns.indexOf(wanted ?? '');
  if (at < 0) {
    throw new DataError(file, `label column '${wanted}': the columns are ${columns.join(', ')}`);
  }
  if (columns.length < 2)
    throw new DataError(file, 'expected a label and at least one feature column');
  if (lines.length === 0) throw new DataError(file, 'no line after the header');

  const width = columns.length - 1;
  const data = new Float32Array(lines.length * width);
  const names: string[] = [];
  for (const [row, line] of lines.entries()) {
    const found = cells(line);
    if (found.length !== columns.length) {
      const problem = `line ${row + 2}: expected ${columns.length} cells, got ${found.length}`;
      throw new DataError(file, problem);
    }
    names.push(found[at] ?? '');
    for (const [i, cell] of found.filter((_, column) => column !== at).entries()) {
      const value = cell === '' ? NaN : Number(cell);
      if (!Number.isFinite(value)) {
        const column = columns.filter((_, c) => c !== at)[i];
        throw new DataError(
          file,
          `line ${row + 2}, column '${column}': expected a number, got '${cell}'`,
        );
      }
      data[row * width + i] = value;
    }
  }
  const { y, classes } = classesOf(file, `column '${wanted}'`, names, options.classes);
  return { x: { data, shape: [lines.length, width] }, y, ...(classes && { classes }) };
};
