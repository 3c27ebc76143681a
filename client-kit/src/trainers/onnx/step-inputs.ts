import { DTYPES } from '../../../../core/tensors/dtype.ts';
import type { InputSpec, TermSpec } from '../../../../core/tensors/manifest.ts';
import { sizeOf } from '../../../../core/tensors/tensor.ts';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import { TaskError } from '../../task-error.ts';
import { toOrt } from './ort.ts';
import type { OrtTensor } from './ort.ts';
import type { Program } from './program.ts';
import { constant } from './schedule.ts';
import type { Schedule } from './schedule.ts';

/** What the steps of a training are given besides batches; a program takes of it what its manifest lists. */
export interface StepOptions {
  /** Learning rate, or one for each step. */
  readonly lr: number | Schedule;
  /** Of random masks (Dropout): with the number of the step it determines them. Default 0. */
  readonly seed?: number | undefined;
  /** Steps that the optimizer's state has behind it. Default 0. */
  readonly stepsBefore?: number | undefined;
  /** FedProx: the weight of the pull towards `received`. Default 0. */
  readonly mu?: number | undefined;
  /** FedProx: the weights as the round began. Default: the model that the training starts with. */
  readonly received?: Tensors | undefined;
  /** SCAFFOLD: the global control variate less the site's own, by parameter. Default: zeros. */
  readonly control?: Tensors | undefined;
  /** DP-SGD: noise for `size` elements of a step's sum of clipped gradients. A program that takes noise needs it. */
  readonly noise?: ((size: number) => Float32Array) | undefined;
}

type Scalar = (step: number) => number;

/** Feeds for all that a program takes besides parameters, state and the batch. */
export class StepInputs {
  readonly #program: Program;
  readonly #options: StepOptions;
  readonly #scalars: readonly (readonly [InputSpec, Scalar])[];
  readonly #terms: readonly TermSpec[];
  readonly #noise: readonly TermSpec[];

  constructor(program: Program, steps: number, options: StepOptions) {
    const { lr, seed = 0, stepsBefore = 0, mu = 0 } = options;
    const rate = typeof lr === 'number' ? constant(lr) : lr;
    const { inputs, terms = [] } = program.manifest;
    const scalars: [InputSpec | undefined, Scalar][] = [
      [inputs.lr, (step) => rate(step, steps)],
      [inputs.seed, () => seed],
      [inputs.step, (step) => stepsBefore + step + 1],
      [inputs.mu, () => mu],
    ];
    this.#program = program;
    this.#options = options;
    this.#scalars = scalars.flatMap(([spec, of]) => (spec ? [[spec, of] as const] : []));
    this.#terms = terms.filter(({ kind }) => kind !== 'noise');
    this.#noise = terms.filter(({ kind }) => kind === 'noise');
  }

  /** What stays the same from step to step. Throws TaskError MODEL_UNRECOGNIZED where a tensor doesn't fit. */
  lasting(model: Tensors): Record<string, OrtTensor> {
    const { received = model, control } = this.#options;
    return Object.fromEntries(
      this.#terms.map(({ kind, name, dtype, shape, input }) => {
        const tensor = (kind === 'received' ? received : control)?.get(name);
        const size = sizeOf(shape);
        if (tensor ? tensor.data.length !== size : kind === 'received') {
          throw new TaskError('MODEL_UNRECOGNIZED', `the program needs '${name}' as ${kind}`);
        }
        const data = tensor?.data ?? new DTYPES[dtype].array(size);
        return [input, toOrt(this.#program.ort, dtype, shape, data)];
      }),
    );
  }

  /** What the step `first` takes, or, for a loop, that and those after it. */
  feeds(first: number, steps?: number): Record<string, OrtTensor> {
    const { ort } = this.#program;
    const feeds: Record<string, OrtTensor> = {};
    for (const [{ input, dtype, shape }, of] of this.#scalars) {
      const lead = steps === undefined ? [] : [steps];
      const values = Array.from({ length: steps ?? 1 }, (_, i) => of(first + i));
      const dims = shape.filter((dim) => typeof dim === 'number');
      feeds[input] = toOrt(
        ort,
        dtype,
        [...lead, ...dims.slice(lead.length)],
        packed(dtype, values),
      );
    }
    for (const { input, dtype, shape } of this.#noise) feeds[input] = this.#drawn(dtype, shape);
    return feeds;
  }

  #drawn(dtype: TermSpec['dtype'], shape: readonly number[]): OrtTensor {
    const { noise } = this.#options;
    if (!noise) throw new TaskError('BAD_TASK_DATA', 'the program adds noise, and none is given');
    return toOrt(this.#program.ort, dtype, shape, noise(sizeOf(shape)));
  }
}

const packed = (dtype: InputSpec['dtype'], values: readonly number[]) => {
  const { array: Elements } = DTYPES[dtype];
  const data = new Elements(values.length);
  const big = data instanceof BigInt64Array || data instanceof BigUint64Array;
  // A typed array takes the numbers of its kind.
  values.forEach((value, i) => (data[i] = (big ? BigInt(value) : value) as number));
  return data;
};
