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
    readonly shape: readonly (number | string)[];
  };
}

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

const faultOf = ({ x, y }: Dataset, { x: wants, y: labels }: Contract): FieldError | undefined => {
  const { array: Elements } = DTYPES[wants.dtype];
  if (!(x.data instanceof Elements)) {
    return { path: 'x.dtype', expected: `${wants.dtype} (${Elements.name})`, got: nameOf(x.data) };
  }
  const [count = 0, ...shape] = x.shape;
  const fits = wants.shape.every((dim, i) => (typeof dim === 'string' ? true : dim === shape[i]));
  if (shape.length !== wants.shape.length || !fits) {
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
    const { data, shape: truth } = y;
    if (truth[0] === count && data.length === sizeOf(truth) && allFinite(data)) return undefined;
    return { path: 'y', expected: `${count} rows of finite numbers`, got: showShape(truth) };
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

/** What a job without a contract asks: an example must fit the program's input. */
export const contractOf = ({ inputs: { x }, loop = false }: Manifest): Contract => ({
  x: { dtype: x.dtype, shape: x.shape.slice(loop ? 2 : 1) },
});
