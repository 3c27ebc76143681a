import { DataError } from './dataset.ts';
import type { Examples, Labels, NdArray } from './dataset.ts';
import { tableExamples } from './table.ts';
import type { TableOptions } from './table.ts';

/** One line's cells (RFC 4180: a quoted cell may hold commas and doubled quotes, but here no line breaks). */
const cellsOf = (line: string): string[] => {
  const found: string[] = [];
  // With a comma before each cell: an empty match at the start would swallow the first.
  for (const [, quoted, plain] of `,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    found.push((quoted?.replaceAll('""', '"') ?? plain ?? '').trim());
  }
  return found;
};

/** Reads a CSV with a header line ({@link tableExamples}). Throws DataError with the line that isn't like the header. */
export const parseCsv = (
  file: string,
  text: string,
  options: TableOptions = {},
): Examples<Labels | NdArray> => {
  const [head, ...lines] = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '');
  const names = cellsOf(head?.line ?? '');
  const unnamed = names.indexOf('');
  if (head && unnamed >= 0) {
    throw new DataError(file, `line ${head.number}: column ${unnamed + 1} has no name`);
  }
  if (lines.length === 0) throw new DataError(file, 'no line after the header');
  const columns = names.map((name) => ({
    name,
    cells: Array.from<string>({ length: lines.length }),
  }));
  for (const [row, { line, number }] of lines.entries()) {
    const found = cellsOf(line);
    if (found.length !== names.length) {
      const problem = `line ${number}: expected ${names.length} cells, got ${found.length}`;
      throw new DataError(file, problem);
    }
    for (const [i, cell] of found.entries()) {
      const column = columns[i];
      if (column) column.cells[row] = cell;
    }
  }
  return tableExamples(file, columns, options, (row) => `line ${lines[row]?.number}`);
};
