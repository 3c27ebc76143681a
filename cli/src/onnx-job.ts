import type { Programs } from '../../core/onnx/index.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import type { Manifest } from '../../core/tensors/manifest.ts';
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
}

/** A job with the bytes of the blobs that it names. */
export interface OnnxJob {
  readonly spec: JobSpecInput;
  /** The initial model, as safetensors. */
  readonly model: Uint8Array<ArrayBuffer>;
}

/** What each example must look like, where the program fixes it; classes from the width of its output. */
const contractOf = ({ inputs, outputs }: Manifest): JobSpecInput['data'] => {
  const { dtype, shape } = inputs.x;
  const example = shape.slice(1).filter((dim) => typeof dim === 'number');
  if (example.length !== shape.length - 1) return undefined;
  const classes = outputs?.[0]?.shape.at(-1);
  return { x: { shape: example, dtype }, ...(typeof classes === 'number' && { y: { classes } }) };
};

/** The usual job for a differentiated model: federated averaging, then every site's model on every site's data. */
export const onnxJob = (programs: Programs, options: OnnxJobOptions): OnnxJob => {
  const { name, seed, minSites, rounds, epochs, batchSize, lr, transferType } = options;
  const model = encode(programs.parameters);
  const data = contractOf(programs.predict.manifest);
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
          args: { epochs, batchSize, lr, transferType },
        },
      ],
    },
  };
};
