import type { Dtype } from '../tensors/dtype.ts';
import { DTYPES } from '../tensors/dtype.ts';
import { toBf16, toF16 } from '../tensors/half.ts';
import type { Tensor } from '../tensors/tensor.ts';
import type { Attributes } from './attribute.ts';
import type { Dim } from './dim.ts';
import { isStatic } from './dim.ts';
import { refuse } from './fault.ts';
import { makeNode } from './graph.ts';
import type { Graph, ValueType } from './graph.ts';
import { int64 } from './int64.ts';
import { NodeView } from './node-view.ts';
import type { Scope } from './node-view.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { KNOWN, knownOf } from './shapes/known.ts';
import { SHAPES } from './shapes/registry.ts';
import { plainWindow } from './window-form.ts';

/** Domain of operators that exist only until the graph is lowered for a target. */
export const ABSTRACT = 'tributary';

/**
 * Grows a graph node by node, inferring the type of each value as it is made: whoever asks for a shape gets it without a
 * forward run. An operation that was already emitted on the same inputs isn't emitted again.
 */
export class Emitter implements Scope {
  readonly opset: number;
  readonly nodes: NodeProto[] = [];
  readonly types = new Map<string, ValueType>();
  readonly known = new Map<string, readonly Dim[]>();
  readonly constants = new Map<string, Tensor>();
  readonly #names = new Set<string>();
  readonly #emitted = new Map<string, readonly string[]>();
  readonly #aliases = new Map<string, string>();
  #count = 0;

  constructor(opset: number) {
    this.opset = opset;
  }

  /** An emitter that holds `graph`, with its weights as inputs; `write` may put something else in a node's place. */
  static of(
    graph: Graph,
    opset: number,
    write = (g: Emitter, node: NodeProto): void => g.add(node, graph.hints),
  ): Emitter {
    const g = new Emitter(opset);
    for (const { name, dtype, shape } of graph.inputs) g.input(name, { dtype, shape });
    for (const [name, { dtype, shape }] of graph.initializers) g.input(name, { dtype, shape });
    for (const [name, tensor] of graph.constants) g.define(name, tensor);
    for (const node of graph.nodes) for (const name of node.output) g.#names.add(name);
    for (const node of graph.nodes) write(g, node);
    return g;
  }

  /** An emitter with the same inputs, constants and names, and no nodes yet. */
  restarted(): Emitter {
    const g = new Emitter(this.opset);
    const made = new Set(this.nodes.flatMap((node) => node.output));
    for (const [name, type] of this.types) if (!made.has(name)) g.input(name, type);
    for (const [name, tensor] of this.constants) g.define(name, tensor);
    for (const name of this.#names) g.#names.add(name);
    for (const [name, value] of this.#aliases) g.#aliases.set(name, value);
    g.#count = this.#count;
    return g;
  }

  /** A name that nothing else has: `wanted`, or `wanted` with a number. */
  fresh(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.#names.has(name); i++) name = `${wanted}.${i}`;
    this.#names.add(name);
    return name;
  }

  input(name: string, type: ValueType): string {
    this.#names.add(name);
    this.types.set(name, type);
    return name;
  }

  define(name: string, tensor: Tensor): string {
    this.#names.add(name);
    this.constants.set(name, tensor);
    this.types.set(name, { dtype: tensor.dtype, shape: tensor.shape });
    const known = knownOf(tensor);
    if (known !== undefined) this.known.set(name, known);
    return name;
  }

  /** Adds a node as it stands. Where no rule knows its outputs, `hints` may. */
  add(node: NodeProto, hints?: ReadonlyMap<string, ValueType>): void {
    node.input = node.input.map((name) => this.resolve(name));
    for (const name of node.input) {
      if (name !== '' && !this.#names.has(name)) {
        refuse({
          reason: 'malformed_model',
          detail: `node ${node.name} reads ${name}, which nothing makes`,
        });
      }
    }
    const view = new NodeView(node, this);
    const key = (node.domain === '' ? '' : `${node.domain}:`) + node.opType;
    const inferable = node.input.every((name) => name === '' || this.types.has(name));
    if (inferable) node.attribute = plainWindow(view);
    const types = inferable ? SHAPES[key]?.(view) : undefined;
    node.output.forEach((name, i) => {
      this.#names.add(name);
      const type = types?.[i] ?? hints?.get(name);
      if (type !== undefined) this.types.set(name, type);
    });
    const known = node.domain === '' && inferable ? KNOWN[key]?.(view) : undefined;
    if (known !== undefined) this.known.set(view.out(0), known);
    this.nodes.push(node);
  }

  /** Emits an operation with one output and answers the output's name. */
  op(type: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): string {
    return this.ops(type, inputs, 1, attributes, domain)[0] ?? '';
  }

  ops(
    type: string,
    inputs: readonly string[],
    outputs: number,
    attributes: Attributes = {},
    domain = '',
  ): readonly string[] {
    const key = JSON.stringify([domain, type, inputs, outputs, attributes]);
    const before = this.#emitted.get(key);
    if (before !== undefined) return before;
    const names = Array.from({ length: outputs }, () => this.fresh(`${type}_${this.#count++}`));
    this.add(makeNode(type, inputs, names, attributes, domain));
    this.#emitted.set(key, names);
    return names;
  }

  /** Ends in a chosen name: what a graph output needs. */
  named(name: string, value: string): string {
    const output = this.fresh(name);
    this.add(makeNode('Identity', [value], [output]));
    return output;
  }

  constant(tensor: Tensor): string {
    const key = `${tensor.dtype} ${tensor.shape.join()}: ${tensor.data.join()}`;
    const before = this.#emitted.get(key)?.[0];
    if (before !== undefined) return before;
    const name = this.define(this.fresh(`const_${this.#count++}`), tensor);
    this.#emitted.set(key, [name]);
    return name;
  }

  /** A scalar in the dtype of `like`. */
  scalar(value: number, like: string): string {
    const dtype: Dtype = this.types.get(like)?.dtype ?? 'F32';
    const { array: TypedArray } = DTYPES[dtype];
    const data = new TypedArray(1);
    const bits = dtype === 'F16' ? toF16(value) : dtype === 'BF16' ? toBf16(value) : value;
    data[0] = data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(bits) : bits;
    return this.constant({ dtype, shape: [], data });
  }

  /** A list of int64: axes, shapes, pads. */
  ints(values: readonly number[]): string {
    return this.constant({ dtype: 'I64', shape: [values.length], data: int64(values) });
  }

  /** Reduces over axes, written as the opset wants it: an input for ReduceSum, and for all from opset 18 on. */
  reduce(type: string, x: string, axes: readonly number[], keepdims: 0 | 1): string {
    return type === 'ReduceSum' || this.opset >= 18
      ? this.op(type, [x, this.ints(axes)], { keepdims })
      : this.op(type, [x], { axes, keepdims });
  }

  /**
   * Reshapes to `dims`. A symbol that stays at its place is copied, one other is what is left; where there are more, the
   * shape is that of `like` when the graph runs.
   */
  reshape(x: string, dims: readonly Dim[], like?: string): string {
    const from = this.types.get(x)?.shape ?? [];
    const spelled = dims.map((dim, axis) => (isStatic(dim) ? dim : dim === from[axis] ? 0 : -1));
    const open = spelled.filter((dim) => dim === -1).length > 1 || dims.includes(0);
    if (!open || like !== undefined) {
      const to = open ? this.op('Shape', [like ?? '']) : this.ints(spelled);
      const y = this.op('Reshape', [x, to]);
      const type = this.types.get(y);
      if (type !== undefined) this.types.set(y, { ...type, shape: dims });
      return y;
    }
    const dim = dims.find((wanted, axis) => spelled[axis] === -1) ?? 0;
    return refuse({ reason: 'symbolic_dimension', node: x, dim, why: 'to be laid out anew' });
  }

  /** Broadcasts to the shape of `like`: one that is written down, where every symbol in it is there already. */
  expandLike(x: string, like: string): string {
    const from = this.types.get(x)?.shape ?? [];
    const to = this.types.get(like)?.shape;
    const sizes = to?.map((dim, axis) =>
      isStatic(dim) ? dim : dim === from[axis - to.length + from.length] ? 1 : undefined,
    );
    const known = sizes?.filter((size) => size !== undefined);
    return known !== undefined && known.length === to?.length
      ? this.op('Expand', [x, this.ints(known)])
      : this.op('Expand', [x, this.op('Shape', [like])]);
  }

  /** Says that a value has the shape of `like`, where that can't be inferred. */
  shaped(value: string, like: string): string {
    const [own, other] = [this.types.get(value), this.types.get(like)];
    if (own !== undefined && other !== undefined)
      this.types.set(value, { ...own, shape: other.shape });
    return value;
  }

  /** Makes every later mention of `name` mean `value`. */
  alias(name: string, value: string): void {
    this.#aliases.set(name, value);
  }

  resolve(name: string): string {
    const value = this.#aliases.get(name);
    return value === undefined ? name : this.resolve(value);
  }
}
