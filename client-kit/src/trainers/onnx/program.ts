import type { Manifest, ParameterSpec, StateSpec } from '../../../../core/tensors/manifest.ts';
import { DTYPES } from '../../../../core/tensors/dtype.ts';
import { showShape } from '../../../../core/tensors/layout.ts';
import { sizeOf } from '../../../../core/tensors/tensor.ts';
import type { Tensors } from '../../../../core/tensors/tensor.ts';
import { TaskError } from '../../task-error.ts';
import { onWebGpu, prefersGpu } from './device.ts';
import type { Device } from './device.ts';
import { fromOrt, toOrt } from './ort.ts';
import type { Ort, OrtSession, OrtTensor } from './ort.ts';

export type Feeds = Readonly<Record<string, OrtTensor>>;

/** Where a program is to run. */
export interface Where {
  /** Default `auto`. */
  readonly device?: Device | undefined;
  /** ONNX Runtime's execution providers by name, in place of `device`. */
  readonly executionProviders?: readonly string[] | undefined;
}

/** What a program hands on from step to step stays on the GPU. */
const residency = ({ parameters, state }: Manifest): Record<string, 'gpu-buffer'> =>
  Object.fromEntries(
    [...parameters, ...state].flatMap(({ output }) =>
      output === undefined ? [] : [[output, 'gpu-buffer'] as const],
    ),
  );

/** An ONNX program that is loaded, and what it takes and gives. */
export class Program {
  readonly ort: Ort;
  readonly manifest: Manifest;
  readonly device: Exclude<Device, 'auto'>;
  readonly #session: OrtSession;

  private constructor(
    ort: Ort,
    manifest: Manifest,
    session: OrtSession,
    device: Exclude<Device, 'auto'>,
  ) {
    this.ort = ort;
    this.manifest = manifest;
    this.#session = session;
    this.device = device;
  }

  /**
   * Loads a program. On WebGPU, parameters and state stay on the GPU between steps. Throws TaskError: TASK_UNSUPPORTED
   * where the device is to be `webgpu` and can't be, MODEL_UNRECOGNIZED where ONNX Runtime can't load the program.
   */
  static async load(
    ort: Ort,
    bytes: Uint8Array,
    manifest: Manifest,
    { device = 'auto', executionProviders }: Where = {},
  ): Promise<Program> {
    const load = async (providers: readonly string[]): Promise<Program> => {
      const onGpu = providers.includes('webgpu');
      const create = (): Promise<OrtSession> =>
        ort.InferenceSession.create(bytes, {
          executionProviders: providers,
          ...(onGpu && { preferredOutputLocation: residency(manifest) }),
        });
      try {
        const session = await (onGpu ? onWebGpu(ort, create) : create());
        return new Program(ort, manifest, session, onGpu ? 'webgpu' : 'wasm');
      } catch (cause) {
        if (cause instanceof TaskError) throw cause;
        const why = `ONNX Runtime can not load the ${manifest.kind} program`;
        throw new TaskError('MODEL_UNRECOGNIZED', why, [], { cause });
      }
    };
    if (executionProviders) return load(executionProviders);
    if (device === 'webgpu') return load(['webgpu']);
    if (device === 'wasm' || !(await prefersGpu(manifest))) return load(['cpu']);
    return load(['webgpu']).catch((error: unknown) => {
      if (error instanceof TaskError && error.returnCode === 'TASK_UNSUPPORTED')
        return load(['cpu']);
      throw error;
    });
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
