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

  /** d loss / d output. Rules here are for operators whose first output alone carries a gradient. */
  get grad(): string {
    return this.#grads.get(this.out(0)) ?? this.malformed('no gradient reached the first output');
  }
}

/**
 * Emits d loss / d input for each input; null where none is needed or none flows. A result may keep the broadcast shape
 * of the output: the reverse walk sums it back to the input's shape, in one place for all rules.
 */
export type Rule = (n: GradientView, g: Emitter) => readonly (string | null)[];

/** Why this very node can't be differentiated although its operator can; undefined where it can. */
export type Unless = (n: NodeView) => string | undefined;

/** How an operator takes part in differentiation. */
export type Entry =
  /** Differentiable, for models of these opsets. */
  | { readonly opset: readonly [number, number]; readonly rule: Rule; readonly unless?: Unless }
  /** Nothing flows back, and that is right: the derivative is zero or the output is a count, an index or a shape. */
  | { readonly none: string }
  /** A gradient exists but isn't offered: training through this node is refused, with the reason. */
  | { readonly forbidden: string };
