import type { Tensor } from '../../tensors/tensor.ts';
import { floatAttribute, intAttribute, intsAttribute, textAttribute } from '../attribute.ts';
import type { Attributes } from '../attribute.ts';
import { toAttributeProtos } from '../attribute.ts';
import { refuse } from '../fault.ts';
import { copyOf, labelOf, makeNode } from '../graph.ts';
import type { ValueType } from '../graph.ts';
import { int64 } from '../int64.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** Writes a node of an old opset as opset 17 has it. */
export type Upgrade = (n: OldNode) => readonly NodeProto[];

/** A node of an old opset, and the constants that its new form reads. */
export class OldNode {
  readonly proto: NodeProto;
  readonly #constants: Map<string, Tensor>;
  readonly #types: ReadonlyMap<string, ValueType>;

  constructor(
    proto: NodeProto,
    constants: Map<string, Tensor>,
    types: ReadonlyMap<string, ValueType>,
  ) {
    this.proto = proto;
    this.#constants = constants;
    this.#types = types;
  }

  in(i: number): string {
    return this.proto.input[i] ?? '';
  }

  out(i: number): string {
    return this.proto.output[i] ?? '';
  }

  int(name: string, otherwise: number): number {
    return intAttribute(this.proto, name, otherwise);
  }

  ints(name: string): readonly number[] | undefined {
    return intsAttribute(this.proto, name);
  }

  float(name: string, otherwise: number): number {
    return floatAttribute(this.proto, name, otherwise);
  }

  text(name: string, otherwise: string): string {
    return textAttribute(this.proto, name, otherwise);
  }

  has(name: string): boolean {
    return this.proto.attribute.some((attribute) => attribute.name === name);
  }

  /** Rank of the first output, where the exporter wrote it down. */
  get outRank(): number | undefined {
    return this.#types.get(this.out(0))?.shape.length;
  }

  constantOf(i: number): Tensor | undefined {
    return this.#constants.get(this.in(i));
  }

  /** A name for something that stands beside this node. */
  beside(what: string): string {
    return `${this.out(0)}/${what}`;
  }

  /** A constant list of int64; '' where there is none to write. */
  list(what: string, values: readonly number[] | undefined): string {
    if (values === undefined) return '';
    return this.#define(what, { dtype: 'I64', shape: [values.length], data: int64(values) });
  }

  /** A constant float scalar. */
  scalar(what: string, value: number): string {
    return this.#define(what, { dtype: 'F32', shape: [], data: Float32Array.of(value) });
  }

  #define(what: string, tensor: Tensor): string {
    this.#constants.set(this.beside(what), tensor);
    return this.beside(what);
  }

  /** The same operator with other inputs, without the attributes in `drop`, with those in `set`. */
  as(
    opType: string,
    inputs: readonly string[],
    drop: readonly string[] = [],
    set: Attributes = {},
  ): NodeProto {
    const node = copyOf(this.proto);
    node.opType = opType;
    node.input = inputs.slice(0, inputs.findLastIndex((name) => name !== '') + 1);
    const gone = new Set([...drop, ...Object.keys(set)]);
    node.attribute = [
      ...node.attribute.filter(({ name }) => !gone.has(name)),
      ...toAttributeProtos(set),
    ];
    return node;
  }

  /** Another node beside this one; answers it and the name of its output. */
  make(
    opType: string,
    inputs: readonly string[],
    what: string,
    attributes: Attributes = {},
  ): readonly [NodeProto, string] {
    return [makeNode(opType, inputs, [this.beside(what)], attributes), this.beside(what)];
  }

  unsupported(detail: string): never {
    return refuse({
      reason: 'unsupported_model',
      detail: `node ${labelOf(this.proto)} (${this.proto.opType}): ${detail}`,
    });
  }
}
