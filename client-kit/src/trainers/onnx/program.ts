import type { Manifest, ParameterSpec, StateSpec } from '../../../../core/tensors/manifest.ts';
import { DTYPES } from '../../../../core/tensors/dtype.ts';
import { showShape } from '../../../../core/tensors/layout.ts';
import { sizeOf } from '../../../../core/tensors/tensor.ts';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import { TaskError } from '../../task-error.ts';
import { fromOrt, toOrt } from './ort.ts';
import type { Ort, OrtSession, OrtTensor } from './ort.ts';

export type Feeds = Readonly<Record<string, OrtTensor>>;

/** An ONNX program that is loaded, and what it takes and gives. */
export class Program {
  readonly ort: Ort;
  readonly manifest: Manifest;
  readonly #session: OrtSession;

  private constructor(ort: Ort, manifest: Manifest, session: OrtSession) {
    this.ort = ort;
    this.manifest = manifest;
    this.#session = session;
  }

  /**
   * Loads a program. On WebGPU, parameters and state stay on the GPU between steps. Throws TaskError MODEL_UNRECOGNIZED
   * where ONNX Runtime can't load it.
   */
  static async load(
    ort: Ort,
    bytes: Uint8Array,
    manifest: Manifest,
    providers?: readonly string[],
  ): Promise<Program> {
    const carried = [...manifest.parameters, ...manifest.state].flatMap(
      ({ output }) => output ?? [],
    );
    const onGpu = providers?.includes('webgpu') ?? false;
    try {
      const session = await ort.InferenceSession.create(bytes, {
        ...(providers && { executionProviders: providers }),
        ...(onGpu && {
          preferredOutputLocation: Object.fromEntries(carried.map((name) => [name, 'gpu-buffer'])),
        }),
      });
      return new Program(ort, manifest, session);
    } catch (cause) {
      const why = `ONNX Runtime can not load the ${manifest.kind} program`;
      throw new TaskError('MODEL_UNRECOGNIZED', why, [], { cause });
    }
  }

  run(feeds: Feeds): Promise<Feeds> {
    return this.#session.run(feeds);
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  /** The model's tensors as this program's inputs. Throws TaskError MODEL_UNRECOGNIZED where one is missing or another. */
  parameters(model: Tensors): Record<string, OrtTensor> {
    const feeds: Record<string, OrtTensor> = {};
    for (const spec of this.manifest.parameters) {
      const tensor = model.get(spec.name);
      const got = tensor ? `${tensor.dtype} ${showShape(tensor.shape)}` : 'nothing';
      const expected = `${spec.dtype} ${showShape(spec.shape)}`;
      if (!tensor || got !== expected) {
        const errors = [{ path: spec.name, expected, got }];
        throw new TaskError('MODEL_UNRECOGNIZED', `the program needs '${spec.name}'`, errors);
      }
      feeds[spec.input] = toOrt(this.ort, spec.dtype, spec.shape, tensor.data);
    }
    return feeds;
  }

  /** The optimizer's state: as it was kept, or zeros. */
  state(kept?: Tensors): Record<string, OrtTensor> {
    const feeds: Record<string, OrtTensor> = {};
    for (const { name, input, dtype, shape } of this.manifest.state) {
      const old = kept?.get(name);
      const fits = old?.dtype === dtype && old.data.length === sizeOf(shape);
      const data = fits ? old.data : new DTYPES[dtype].array(sizeOf(shape));
      feeds[input] = toOrt(this.ort, dtype, shape, data);
    }
    return feeds;
  }

  /** Parameters or state as tensors again; frees those on a GPU. */
  async collect(specs: readonly (ParameterSpec | StateSpec)[], feeds: Feeds): Promise<Tensors> {
    const tensors: Tensors = new Map();
    for (const { name, input, dtype, shape } of specs) {
      const tensor = feeds[input];
      if (tensor) tensors.set(name, await fromOrt(dtype, shape, tensor));
    }
    return tensors;
  }
}
