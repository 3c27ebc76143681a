import type { Result } from '../tensors/result.ts';
import { err, ok } from '../tensors/result.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { decodeModel, encodeModel } from './codec.ts';
import { settle } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
import type { Graph } from './graph.ts';
import { merged } from './lora/merge.ts';
import type { Program } from './program.ts';

/** Why weights don't fit a program. */
export type ForwardFault =
  | DifferentiateFault
  | { readonly reason: 'missing_parameter'; readonly name: string }
  | {
      readonly reason: 'shape_mismatch';
      readonly name: string;
      readonly expected: string;
      readonly got: string;
    };

export interface ForwardOptions {
  /** Whether adapters (LoRA) become part of the weights that they change, or stay beside them. Default true. */
  readonly merge?: boolean;
}

/**
 * An ordinary ONNX model: a predict program with the given weights inside. Any ONNX runtime runs it; the weights carry
 * their original names. Tensors that the program doesn't know are ignored.
 */
export const forward = (
  program: Program,
  parameters: Tensors,
  { merge = true }: ForwardOptions = {},
): Result<Uint8Array, ForwardFault> => {
  const { manifest, model } = program;
  const given: Tensors = new Map();
  for (const { name, input, dtype, shape } of manifest.parameters) {
    const tensor = parameters.get(name);
    if (tensor === undefined) return err({ reason: 'missing_parameter', name });
    const [expected, got] = [
      `${dtype} [${shape.join()}]`,
      `${tensor.dtype} [${tensor.shape.join()}]`,
    ];
    if (expected !== got) return err({ reason: 'shape_mismatch', name, expected, got });
    given.set(input, tensor);
  }
  const decoded = settle(() => decodeModel(model));
  if (!decoded.ok) return decoded;
  const whole: Graph = {
    ...decoded.value,
    name: 'forward',
    inputs: decoded.value.inputs.filter(({ name }) => !given.has(name)),
    initializers: new Map([...decoded.value.initializers, ...given]),
    metadata: new Map(),
  };
  return ok(encodeModel(merge ? merged(whole, manifest.adapters ?? []) : whole));
};
