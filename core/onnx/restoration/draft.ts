import type { Tensor } from '../../tensors/tensor.ts';
import type { Attributes } from '../attribute.ts';
import { makeNode } from '../graph.ts';
import type { Graph } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import type { Originals } from './original.ts';

/** A model on its way back to the parameters that it was made of. */
export class Draft {
  readonly originals: Originals;
  /** The model's float tensors that no original is known for yet: weights, and constants that may be weights. */
  readonly free: Map<string, Tensor>;
  /** Originals that were found, with the values that the model has for them. */
  readonly found = new Map<string, Tensor>();
  nodes: readonly NodeProto[];
  /** Nodes that make the model's tensors out of the originals, and their constants. */
  readonly made: NodeProto[] = [];
  readonly constants = new Map<string, Tensor>();

  constructor(graph: Graph, originals: Originals) {
    this.originals = originals;
    this.nodes = graph.nodes;
    this.free = new Map(
      [...graph.initializers, ...graph.constants].filter(([, { dtype }]) => dtype === 'F32'),
    );
  }

  /** Originals that are not found yet, in order. */
  get missing(): readonly string[] {
    return [...this.originals.keys()].filter((name) => !this.found.has(name));
  }

  /** Emits a node in front of the model, once per name. */
  make(op: string, inputs: readonly string[], output: string, attributes: Attributes = {}): string {
    return this.makeAll(op, inputs, [output], attributes)[0] ?? output;
  }

  makeAll(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes = {},
  ): readonly string[] {
    if (!this.made.some(({ output }) => output[0] === outputs[0])) {
      this.made.push(makeNode(op, inputs, outputs, attributes));
    }
    return outputs;
  }

  ints(values: readonly number[]): string {
    const name = `ints/${values.join()}`;
    this.constants.set(name, {
      dtype: 'I64',
      shape: [values.length],
      data: BigInt64Array.from(values, BigInt),
    });
    return name;
  }
}
