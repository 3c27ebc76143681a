import { readFile } from 'node:fs/promises';
import { decodeModel } from '../../core/onnx/codec.ts';
import { settle } from '../../core/onnx/fault.ts';
import { describeFault } from '../../core/onnx/index.ts';
import type { DifferentiateFault, Programs } from '../../core/onnx/index.ts';
import type { Graph } from '../../core/onnx/graph.ts';
import { CommandError } from './exit-code.ts';
import type { Options } from './options.ts';
import { programsFor } from './training-options.ts';

/** A fault of the differentiator as a failure of the command: one line per blocked operator. */
const modelError = (file: string, fault: DifferentiateFault): CommandError => {
  const [first = '', ...rest] = describeFault(fault).split('\n');
  return new CommandError('data', `${file}: ${first}`, rest);
};

/** An ONNX file's graph. Throws CommandError where it isn't one. */
export const graphOf = (file: string, bytes: Uint8Array): Graph => {
  const graph = settle(() => decodeModel(bytes));
  if (!graph.ok) throw modelError(file, graph.error);
  return graph.value;
};

/** A file's bytes in memory of their own: Node's small buffers share theirs. */
export const bytesOf = async (file: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await readFile(file));

/** Differentiates a model as the options say. Throws CommandError where it can't be trained. */
export const programsOrFail = (file: string, bytes: Uint8Array, options: Options): Programs => {
  const programs = programsFor(bytes, options);
  if (!programs.ok) throw modelError(file, programs.error);
  return programs.value;
};
