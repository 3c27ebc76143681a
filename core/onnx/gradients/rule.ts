import type { Emitter } from '../emitter.ts';
import { NodeView } from '../node-view.ts';
import type { Scope } from '../node-view.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';

/** A forward node as its gradient rule reads it. */
export class GradientView extends NodeView {
  readonly #needed: ReadonlySet<string>;
  readonly #grads: ReadonlyMap<string, string>;

  constructor(
    proto: NodeProto,
    scope: Scope,
    needed: ReadonlySet<string>,
    grads: ReadonlyMap<string, string>,
  ) {
    super(proto, scope);
    this.#needed = needed;
    this.#grads = grads;
  }

  /** Whether a parameter lies behind input `i`: other gradients are nobody's business, so leave them out. */
  needs(i: number): boolean {
    return this.has(i) && this.#needed.has(this.in(i));
  }

  /** d loss / d first output, for operators whose first output alone carries a gradient. */
  get grad(): string {
    return this.gradOf(0) ?? this.malformed('no gradient reached the first output');
  }

  /** d loss / d output `i`; undefined where the loss doesn't depend on it. */
  gradOf(i: number): string | undefined {
    return this.#grads.get(this.out(i));
  }
}

/**
 * Emits d loss / d input for each input; null where none is needed or none flows. A result may keep the broadcast shape
 * of the output: the reverse walk sums it back to the input's shape, in one place for all rules.
 */
export type Rule = (n: GradientView, g: Emitter) => readonly (string | null)[];

/** Emits the same computation in simpler operators and answers the outputs' names, one for each that the node has. */
export type Parts = (n: NodeView, g: Emitter) => readonly string[];

/** Why this very node can't be differentiated although its operator can; undefined where it can. */
export type Unless = (n: NodeView) => string | undefined;

/** How an operator takes part in differentiation, and the opsets of the models in which it does. */
export type Entry = { readonly opset: readonly [number, number] } & (
  | { readonly rule: Rule; readonly unless?: Unless }
  /** Differentiable by way of its parts, which stand in its place before anything else happens. */
  | { readonly parts: Parts; readonly unless?: Unless }
  /** Nothing flows back, and that is right: the derivative is zero or the output is a count, an index or a shape. */
  | { readonly none: string }
  /** A gradient exists but isn't offered: training through this node is refused, with the reason. */
  | { readonly forbidden: string }
);
