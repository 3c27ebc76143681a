import { DTYPES } from '../../../../core/tensors/dtype.ts';
import type { TensorData } from '../../../../core/tensors/dtype.ts';
import { sizeOf } from '../../../../core/tensors/tensor.ts';
import type { Dataset } from '../../dataset.ts';
import { toOrt } from './ort.ts';
import type { OrtTensor } from './ort.ts';
import type { Program } from './program.ts';

/** Gathers examples into one pair of arrays that all steps share. */
export class Batches {
  readonly #program: Program;
  readonly #dataset: Dataset;
  readonly #x: TensorData;
  readonly #y: TensorData;
  readonly #width: number;

  constructor(program: Program, dataset: Dataset, batchSize: number) {
    const { x, y } = program.manifest.inputs;
    this.#program = program;
    this.#dataset = dataset;
    this.#width = sizeOf(dataset.x.shape.slice(1));
    this.#x = new DTYPES[x.dtype].array(batchSize * this.#width);
    this.#y = new DTYPES[y?.dtype ?? 'I32'].array(batchSize);
  }

  /** Feeds for these examples (at most `batchSize`), valid until the next call. */
  feeds(examples: Uint32Array): Record<string, OrtTensor> {
    const { ort, manifest } = this.#program;
    const { x, y } = manifest.inputs;
    const width = this.#width;
    const source = this.#dataset.x.data;
    examples.forEach((example, row) => {
      // One typed array takes the other's elements, converting where the program's dtype is another than the data's.
      (this.#x as Float32Array).set(
        source.subarray(example * width, (example + 1) * width) as Float32Array,
        row * width,
      );
      const label = this.#dataset.y[example] ?? 0;
      this.#y[row] =
        this.#y instanceof BigInt64Array ? (BigInt(label) as unknown as number) : label;
    });
    const n = examples.length;
    const shape = [n, ...this.#dataset.x.shape.slice(1)];
    return {
      [x.input]: toOrt(ort, x.dtype, shape, this.#x.subarray(0, n * width)),
      ...(y && { [y.input]: toOrt(ort, y.dtype, [n], this.#y.subarray(0, n)) }),
    };
  }
}
