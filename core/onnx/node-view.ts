import type { Tensor } from '../tensors/tensor.ts';
import {
  floatAttribute,
  hasAttribute,
  intAttribute,
  intsAttribute,
  tensorAttribute,
  textAttribute,
  textsAttribute,
} from './attribute.ts';
import type { Dim } from './dim.ts';
import { isStatic } from './dim.ts';
import { refuse } from './fault.ts';
import { labelOf } from './graph.ts';
import type { ValueType } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** What a rule may know about the values of the graph that it stands in. */
export interface Scope {
  readonly opset: number;
  readonly types: ReadonlyMap<string, ValueType>;
  /** Elements of the small integer tensors that shapes are computed from, as dimensions, in row-major order. */
  readonly known: ReadonlyMap<string, readonly Dim[]>;
  readonly constants: ReadonlyMap<string, Tensor>;
}

/** A node as a rule reads it: inputs, outputs and attributes by ONNX's names, types from the scope. */
export class NodeView {
  readonly proto: NodeProto;
  readonly scope: Scope;

  constructor(proto: NodeProto, scope: Scope) {
    this.proto = proto;
    this.scope = scope;
  }

  get label(): string {
    return labelOf(this.proto);
  }

  get arity(): number {
    return this.proto.input.length;
  }

  /** Name of an input; '' where an optional one is left out. */
  in(i: number): string {
    return this.proto.input[i] ?? '';
  }

  out(i: number): string {
    return this.proto.output[i] ?? '';
  }

  has(i: number): boolean {
    return this.in(i) !== '';
  }

  /** Type of a value; refuses the model where it isn't known. */
  typeOf(name: string): ValueType {
    return (
      this.scope.types.get(name) ??
      refuse({ reason: 'unknown_shape', node: this.label, value: name })
    );
  }

  type(i: number): ValueType {
    return this.typeOf(this.in(i));
  }

  shape(i: number): readonly Dim[] {
    return this.type(i).shape;
  }

  outShape(i = 0): readonly Dim[] {
    return this.typeOf(this.out(i)).shape;
  }

  rank(i: number): number {
    return this.shape(i).length;
  }

  /** Elements of an integer input that is known before the graph runs. */
  known(i: number): readonly Dim[] | undefined {
    return this.scope.known.get(this.in(i));
  }

  /** Integers given as an attribute in older opsets and as an input in newer ones (axes, pads, split). */
  intsAt(i: number, attribute: string): readonly number[] | undefined {
    if (!this.has(i)) return this.ints(attribute);
    const values =
      this.known(i) ?? refuse({ reason: 'unknown_shape', node: this.label, value: this.in(i) });
    return values.map((value) => this.number(value, `as ${attribute}`));
  }

  /** The dimension as a number; refuses a symbol, saying what it is needed for. */
  number(dim: Dim, why: string): number {
    return isStatic(dim)
      ? dim
      : refuse({ reason: 'symbolic_dimension', node: this.label, dim, why });
  }

  /** A name for a dimension that nothing is known of. */
  unknown(axis: number | string): Dim {
    return `${this.out(0)}.${axis}`.replaceAll('*', '_');
  }

  int(name: string, otherwise: number): number {
    return intAttribute(this.proto, name, otherwise);
  }

  float(name: string, otherwise: number): number {
    return floatAttribute(this.proto, name, otherwise);
  }

  ints(name: string): readonly number[] | undefined {
    return intsAttribute(this.proto, name);
  }

  text(name: string, otherwise: string): string {
    return textAttribute(this.proto, name, otherwise);
  }

  texts(name: string): readonly string[] | undefined {
    return textsAttribute(this.proto, name);
  }

  tensor(name: string): Tensor | undefined {
    return tensorAttribute(this.proto, name);
  }

  hasAttribute(name: string): boolean {
    return hasAttribute(this.proto, name);
  }

  /** An axis attribute, counted from the front. */
  axis(name: string, otherwise: number, rank: number): number {
    const axis = this.int(name, otherwise);
    return axis < 0 ? axis + rank : axis;
  }

  malformed(detail: string): never {
    return refuse({
      reason: 'malformed_model',
      detail: `node ${this.label} (${this.proto.opType}): ${detail}`,
    });
  }
}

/** Axes counted from the front. */
export const fromFront = (axes: readonly number[], rank: number): number[] =>
  axes.map((axis) => (axis < 0 ? axis + rank : axis));
