import { DTYPES } from '../../../../core/tensors/dtype.ts';
import type { TensorData } from '../../../../core/tensors/dtype.ts';
import type { InputSpec, Manifest } from '../../../../core/tensors/manifest.ts';
import { sizeOf } from '../../../../core/tensors/tensor.ts';
import { truthOf } from '../../dataset.ts';
import type { Column, Dataset } from '../../dataset.ts';
import { TaskError } from '../../task-error.ts';
import { toOrt } from './ort.ts';
import type { Ort, OrtTensor } from './ort.ts';
import type { Program } from './program.ts';

/**
 * Gathers examples into arrays that all steps share. There are two sets of them, used in turn: one is filled while a run
 * still reads the other.
 */
export class Batches {
  readonly #columns: readonly (readonly [Gathering, Gathering])[];
  #turn: 0 | 1 = 0;

  /** `capacity`: the most examples of one run. */
  constructor({ ort, manifest }: Program, dataset: Dataset, capacity: number) {
    const lead = manifest.loop ? 2 : 1;
    const gathering = (spec: InputSpec, column: Column) =>
      new Gathering(ort, spec, column, capacity, lead);
    this.#columns = columnsOf(manifest, dataset).map(([spec, column]) => [
      gathering(spec, column),
      gathering(spec, column),
    ]);
  }

  /** Feeds for these examples, valid until the next call but one; with `steps`, as so many batches of equal size. */
  feeds(examples: Uint32Array, steps?: number): Record<string, OrtTensor> {
    this.#turn = this.#turn === 0 ? 1 : 0;
    return Object.fromEntries(
      this.#columns.map((column) => column[this.#turn].gather(examples, steps)),
    );
  }
}

/** A stack of batches for a loop is at most this large: beyond it the copying that a loop spares is little. */
const STACK_BYTES = 4 * 2 ** 20;
const MOST_STEPS = 16;

/** How many batches one run of a loop takes: 16, or as many as lie in 4 MiB, and at least one. */
export const stepsPerRun = (manifest: Manifest, dataset: Dataset, batchSize: number): number => {
  const bytes = columnsOf(manifest, dataset).map(
    ([{ dtype }, { shape }]) => DTYPES[dtype].bytes * sizeOf(shape.slice(1)),
  );
  const batch = bytes.reduce((sum, each) => sum + each, 0) * batchSize;
  return Math.max(1, Math.min(MOST_STEPS, Math.floor(STACK_BYTES / Math.max(1, batch))));
};

/** Which column of the data each input takes. Throws TaskError BAD_TASK_DATA where an input has none. */
const columnsOf = ({ inputs }: Manifest, dataset: Dataset): [InputSpec, Column][] => {
  const { x, y, more = [] } = inputs;
  return [
    [x, dataset.x],
    ...(y ? [[y, truthOf(dataset)] as [InputSpec, Column]] : []),
    ...more.map((spec): [InputSpec, Column] => {
      const column = dataset.more?.[spec.input];
      if (column) return [spec, column];
      const expected = `${spec.dtype} [${spec.shape.join(', ')}]`;
      const errors = [{ path: `more.${spec.input}`, expected, got: 'nothing' }];
      throw new TaskError('BAD_TASK_DATA', `the model's input '${spec.input}' has no data`, errors);
    }),
  ];
};

/** One input's examples, copied into one array. */
class Gathering {
  readonly #ort: Ort;
  readonly #spec: InputSpec;
  readonly #column: Column;
  readonly #shape: readonly number[];
  readonly #width: number;
  readonly #into: TensorData;

  /** `lead`: dimensions of the input before an example's own. */
  constructor(ort: Ort, spec: InputSpec, column: Column, capacity: number, lead: number) {
    const shape = column.shape.slice(1);
    const wanted = spec.shape.slice(lead).filter((dim) => typeof dim === 'number');
    this.#ort = ort;
    this.#spec = spec;
    this.#column = column;
    this.#width = sizeOf(shape);
    // One number per example may be written [] or [1].
    const open = wanted.length < spec.shape.length - lead;
    this.#shape = !open && sizeOf(wanted) === this.#width ? wanted : shape;
    this.#into = new DTYPES[spec.dtype].array(capacity * this.#width);
  }

  gather(examples: Uint32Array, steps?: number): [string, OrtTensor] {
    const width = this.#width;
    const source = this.#column.data;
    const into = this.#into;
    if (isBig(source) === isBig(into)) {
      // One typed array takes the other's elements, converting where the program's dtype is another than the data's.
      const numbers = into as Float32Array;
      examples.forEach((example, row) => {
        const at = example * width;
        numbers.set(source.subarray(at, at + width) as Float32Array, row * width);
      });
    } else {
      const convert = isBig(into) ? BigInt : Number;
      examples.forEach((example, row) => {
        for (let i = 0; i < width; i++) {
          // Of the kind that the array holds, as `convert` was chosen.
          into[row * width + i] = convert(source[example * width + i] ?? 0) as number;
        }
      });
    }
    const n = examples.length;
    const lead = steps === undefined ? [n] : [steps, n / steps];
    const { input, dtype } = this.#spec;
    const data = into.subarray(0, n * width);
    return [input, toOrt(this.#ort, dtype, [...lead, ...this.#shape], data)];
  }
}

const isBig = (data: TensorData): boolean =>
  data instanceof BigInt64Array || data instanceof BigUint64Array;
