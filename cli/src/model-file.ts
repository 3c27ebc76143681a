import { readFile } from 'node:fs/promises';
import { decodeModel } from '../../core/onnx/codec.ts';
import { settle } from '../../core/onnx/fault.ts';
import { describeFault, differentiate } from '../../core/onnx/index.ts';
import type { DifferentiateFault, Programs } from '../../core/onnx/index.ts';
import type { Graph } from '../../core/onnx/graph.ts';
import type { OptionSpec } from './command.ts';
import { CommandError } from './exit-code.ts';
import type { Options } from './options.ts';

/** Options of every command that differentiates a model. */
export const TRAINING_OPTIONS = {
  trainable: {
    type: 'string',
    multiple: true,
    value: 'GLOB',
    help: 'parameters to train (all); repeatable',
  },
  momentum: { type: 'string', value: 'M', help: 'momentum of SGD (0)' },
  'weight-decay': { type: 'string', value: 'W', help: 'weight decay of SGD (0)' },
  portable: { type: 'boolean', help: 'a train program that runs on WebGPU too' },
} as const satisfies Record<string, OptionSpec>;

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

/** Differentiates a model as the options say; gives the fault instead of throwing, for `inspect`. */
export const programsFor = (
  bytes: Uint8Array,
  options: Options,
): ReturnType<typeof differentiate> => {
  const globs = options.texts('trainable');
  return differentiate(bytes, {
    loss: 'softmax-cross-entropy',
    optimizer: {
      name: 'sgd',
      momentum: options.number('momentum') ?? 0,
      weightDecay: options.number('weight-decay') ?? 0,
    },
    ...(globs.length > 0 && { trainable: globs }),
    target: options.flag('portable') ? 'webgpu' : 'wasm',
  });
};

/** Like {@link programsFor}. Throws CommandError where the model can't be trained. */
export const programsOrFail = (file: string, bytes: Uint8Array, options: Options): Programs => {
  const programs = programsFor(bytes, options);
  if (!programs.ok) throw modelError(file, programs.error);
  return programs.value;
};
