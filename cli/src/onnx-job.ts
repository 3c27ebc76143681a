import type { Programs } from '../../core/onnx/index.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { digestOf } from './digest.ts';

/** What a person decides about a job that trains an ONNX model. */
export interface OnnxJobOptions {
  readonly name: string;
  readonly seed: number;
  readonly minSites: number;
  readonly rounds: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly lr: number;
  readonly transferType: 'FULL' | 'DIFF';
  /** FedProx's weight, where the program has its term. */
  readonly mu?: number | undefined;
  readonly device?: 'auto' | 'wasm' | 'webgpu' | undefined;
}

/** A job with the bytes of the blobs that it names. */
export interface OnnxJob {
  readonly spec: JobSpecInput;
  /** The initial model, as safetensors. */
  readonly model: Uint8Array<ArrayBuffer>;
}

/** What each example must look like, where the program fixes it; classes from the width of its output. */
const contractOf = ({ evaluate, predict }: Programs): JobSpecInput['data'] => {
  const { x, y } = evaluate.manifest.inputs;
  const example = x.shape.slice(1).filter((dim) => typeof dim === 'number');
  if (example.length !== x.shape.length - 1) return undefined;
  const [, classes, ...more] = predict.manifest.outputs?.[0]?.shape ?? [];
  const one = y?.dtype === 'I32' && y.shape.length === 1 && more.length === 0;
  return {
    x: { shape: example, dtype: x.dtype },
    ...(one && typeof classes === 'number' && { y: { classes } }),
  };
};

/** The usual job for a differentiated model: federated averaging, then every site's model on every site's data. */
export const onnxJob = (programs: Programs, options: OnnxJobOptions): OnnxJob => {
  const { name, seed, minSites, rounds, epochs, batchSize, lr, transferType } = options;
  const { mu, device } = options;
  const model = encode(programs.parameters);
  const data = contractOf(programs);
  const program = ({ model: bytes, manifest }: Programs['train']) => ({
    blob: digestOf(bytes),
    manifest,
  });
  return {
    model,
    spec: {
      name,
      seed,
      minSites,
      model: digestOf(model),
      ...(data && { data }),
      programs: { train: program(programs.train), evaluate: program(programs.evaluate) },
      workflows: [
        { id: 'train', use: 'fed-avg', args: { rounds } },
        { id: 'cross-site', use: 'cross-site-eval', args: {} },
      ],
      executors: [
        {
          tasks: ['train', 'validate', 'submit_model'],
          use: 'onnx',
          args: {
            epochs,
            batchSize,
            lr,
            transferType,
            ...(mu !== undefined && { mu }),
            ...(device && { device }),
          },
        },
      ],
    },
  };
};
