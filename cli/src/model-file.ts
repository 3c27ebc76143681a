import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describeFault, differentiate, readModel } from '../../core/onnx/index.ts';
import type {
  DifferentiateFault,
  DifferentiateOptions,
  Graph,
  Programs,
} from '../../core/onnx/index.ts';
import type { Result } from '../../core/tensors/result.ts';
import { decode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { CommandError } from './exit-code.ts';
import type { Options } from './options.ts';
import { differentiateOptions } from './training-options.ts';

/** An ONNX file, and the files in its folder that may hold its large weights. */
export interface ModelFile {
  readonly file: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly beside: NonNullable<DifferentiateOptions['externalData']>;
}

/** A file's bytes in memory of their own: Node's small buffers share theirs. */
const bytesOf = async (file: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await readFile(file));

/** Reads a part of a file, without the rest of it; undefined where there is no such file. */
const partOf = (path: string, offset: number, length?: number): Uint8Array | undefined => {
  let descriptor;
  try {
    descriptor = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(length ?? fstatSync(descriptor).size - offset);
    return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, offset));
  } finally {
    closeSync(descriptor);
  }
};

export const modelFile = async (file: string): Promise<ModelFile> => ({
  file,
  bytes: await bytesOf(file),
  beside: (name, offset, length) => partOf(join(dirname(file), name), offset, length),
});

/** A fault of the differentiator as a failure of the command: one line per blocked operator. */
const modelError = (file: string, fault: DifferentiateFault): CommandError => {
  const [first = '', ...rest] = describeFault(fault).split('\n');
  return new CommandError('data', `${file}: ${first}`, rest);
};

/** An ONNX file's graph. Throws CommandError where it isn't one. */
export const graphOf = ({ file, bytes, beside }: ModelFile): Graph => {
  const graph = readModel(bytes, beside);
  if (graph.ok) return graph.value;
  throw modelError(file, graph.error);
};

/** The tensors of a safetensors file. Throws CommandError where it isn't one. */
export const weightsOf = async (file: string): Promise<Tensors> => {
  const decoded = decode(await bytesOf(file));
  if (decoded.ok) return decoded.value.tensors;
  const { expected, got } = decoded.error;
  throw new CommandError('data', `${file}: expected ${expected}, got ${got}`);
};

/** Differentiates a model as the options say; gives the fault instead of throwing, for `inspect`. */
export const programsFor = async (
  { bytes, beside }: ModelFile,
  options: Options,
): Promise<Result<Programs, DifferentiateFault>> => {
  const [names, loss] = [options.text('state-dict'), options.text('loss-graph')];
  return differentiate(bytes, {
    ...differentiateOptions(options),
    externalData: beside,
    ...(names !== undefined && { stateDict: await weightsOf(names) }),
    ...(loss !== undefined && { loss: { graph: await bytesOf(loss) } }),
  });
};

/** Like {@link programsFor}. Throws CommandError where the model can't be trained. */
export const programsOrFail = async (model: ModelFile, options: Options): Promise<Programs> => {
  const programs = await programsFor(model, options);
  if (programs.ok) return programs.value;
  throw modelError(model.file, programs.error);
};
