import { DataError, toLabels } from './dataset.ts';

/**
 * Class numbers for labels given as text. Whole numbers stand for themselves; names are numbered by `classes` where it
 * is given (so that sites agree, whichever classes each of them has), else in sorted order. Throws DataError on a name
 * that `classes` doesn't have.
 */
export const classesOf = (
  file: string,
  field: string,
  labels: readonly string[],
  classes?: readonly string[],
): { y: Int32Array<ArrayBuffer>; classes?: readonly string[] } => {
  if (!classes && labels.every((label) => /^\d+$/.test(label))) {
    return { y: toLabels(file, field, labels.map(Number), labels.length) };
  }
  const names = classes ?? [...new Set(labels)].sort();
  const numbers = new Map(names.map((name, i) => [name, i]));
  const y = Int32Array.from(labels, (label, i) => {
    const number = numbers.get(label);
    if (number !== undefined) return number;
    throw new DataError(
      file,
      `${field}[${i}]: expected one of ${names.join(', ')}, got '${label}'`,
    );
  });
  return { y, classes: names };
};
