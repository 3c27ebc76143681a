import type { FieldError } from '../../../../core/protocol/fault.ts';
import type { DataContract } from '../../../../core/protocol/job.ts';
import { DTYPES } from '../../../../core/tensors/dtype.ts';
import { showShape } from '../../../../core/tensors/layout.ts';
import type { Manifest } from '../../../../core/tensors/manifest.ts';
import { sizeOf } from '../../../../core/tensors/tensor.ts';
import type { Dataset } from '../../dataset.ts';
import { TaskError } from '../../task-error.ts';

/** A job's data contract; what a program leaves open, its dimension's name, fits any size. */
export interface Contract extends Pick<DataContract, 'y'> {
  readonly x: {
    readonly dtype: DataContract['x']['dtype'];
    readonly shape: Dims;
  };
  /** What an example's truth looks like; one number, a class, if absent. */
  readonly truth?: Dims;
}

type Dims = readonly (number | string)[];

const fits = (shape: readonly number[], wants: Dims): boolean =>
  shape.length === wants.length &&
  wants.every((dim, i) => (typeof dim === 'string' ? true : dim === shape[i]));

/** Whether a truth of one number per example is as good: `[]` for `[1]`, and the other way round. */
const single = (dims: Dims): boolean => dims.every((dim) => dim === 1);

/**
 * Checks a site's data against the job's contract, before any training. Throws TaskError BAD_TASK_DATA that names the
 * first field that isn't as the job says; of the data itself it tells nothing.
 */
export const checkDataset = (dataset: Dataset, contract: Contract): void => {
  const error = faultOf(dataset, contract);
  if (!error) return;
  const { path, expected, got } = error;
  throw new TaskError('BAD_TASK_DATA', `${path}: expected ${expected}, got ${got}`, [error]);
};

const faultOf = (
  { x, y }: Dataset,
  { x: wants, y: labels, truth }: Contract,
): FieldError | undefined => {
  const { array: Elements } = DTYPES[wants.dtype];
  if (!(x.data instanceof Elements)) {
    return { path: 'x.dtype', expected: `${wants.dtype} (${Elements.name})`, got: nameOf(x.data) };
  }
  const [count = 0, ...shape] = x.shape;
  if (!fits(shape, wants.shape)) {
    return { path: 'x.shape', expected: `[${wants.shape.join(', ')}]`, got: showShape(shape) };
  }
  if (x.data.length !== sizeOf(x.shape)) {
    const expected = `${sizeOf(x.shape)} elements`;
    return { path: 'x.data', expected, got: `${x.data.length}` };
  }
  if (!allFinite(x.data)) {
    return { path: 'x.data', expected: 'finite numbers', got: 'NaN or infinity' };
  }
  if (!(y instanceof Int32Array)) {
    if (labels) return { path: 'y', expected: 'Int32Array', got: nameOf(y) };
    const [rows, ...row] = y.shape;
    if (rows !== count || y.data.length !== sizeOf(y.shape) || !allFinite(y.data)) {
      const expected = `${count} rows of finite numbers`;
      return { path: 'y', expected, got: showShape(y.shape) };
    }
    if (!truth || fits(row, truth) || (single(row) && single(truth))) return undefined;
    return { path: 'y.shape', expected: `[${truth.join(', ')}]`, got: showShape(row) };
  }
  if (truth && !single(truth)) {
    return { path: 'y.shape', expected: `[${truth.join(', ')}]`, got: 'a class per example' };
  }
  if (y.length !== count) return { path: 'y', expected: `${count} labels`, got: `${y.length}` };
  if (labels && y.some((label) => label < 0 || label >= labels.classes)) {
    return { path: 'y', expected: `classes 0 to ${labels.classes - 1}`, got: 'another label' };
  }
  return undefined;
};

/** Integers are; 16-bit floats are raw bits here, and not looked into. */
const allFinite = (data: Dataset['x']['data']): boolean => {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return true;
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
};

const nameOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? value.constructor.name : typeof value;

/** What a job without a contract asks: an example must fit the program's input, and its truth the program's. */
export const contractOf = ({ inputs: { x, y }, loop = false }: Manifest): Contract => {
  const lead = loop ? 2 : 1;
  return {
    x: { dtype: x.dtype, shape: x.shape.slice(lead) },
    ...(y && { truth: y.shape.slice(lead) }),
  };
};
