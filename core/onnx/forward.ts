import type { Result } from '../tensors/result.ts';
import { err, ok } from '../tensors/result.ts';
import type { Tensors } from '../tensors/tensor.ts';
import { decodeModel, encodeModel } from './codec.ts';
import { settle } from './fault.ts';
import type { DifferentiateFault } from './fault.ts';
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

/**
 * An ordinary ONNX model: a predict program with the given weights inside. Any ONNX runtime runs it; the weights carry
 * their original names. Tensors that the program doesn't know are ignored.
 */
export const forward = (
  program: Program,
  parameters: Tensors,
): Result<Uint8Array, ForwardFault> => {
  const initializers: Tensors = new Map();
  for (const { name, input, dtype, shape } of program.manifest.parameters) {
    const tensor = parameters.get(name);
    if (tensor === undefined) return err({ reason: 'missing_parameter', name });
    const [expected, got] = [
      `${dtype} [${shape.join()}]`,
      `${tensor.dtype} [${tensor.shape.join()}]`,
    ];
    if (expected !== got) return err({ reason: 'shape_mismatch', name, expected, got });
    initializers.set(input, tensor);
  }
  const graph = settle(() => decodeModel(program.model));
  if (!graph.ok) return graph;
  const inputs = graph.value.inputs.filter(({ name }) => !initializers.has(name));
  return ok(
    encodeModel({ ...graph.value, name: 'forward', inputs, initializers, metadata: new Map() }),
  );
};
