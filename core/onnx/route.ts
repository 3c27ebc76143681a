import { DTYPES } from '../tensors/dtype.ts';
import { ABSTRACT } from './emitter.ts';
import type { Emitter } from './emitter.ts';
import { refuse } from './fault.ts';
import type { BlockedOperator } from './fault.ts';
import { GRADIENTS } from './gradients/registry.ts';
import type { Entry } from './gradients/rule.ts';
import { labelOf, readsOf } from './graph.ts';
import { NodeView } from './node-view.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import { TRAINING_GRADIENTS } from './training/registry.ts';

/** The part of a graph that gradients travel through. */
export interface Route {
  /** Values that a wanted parameter lies behind. */
  readonly needed: ReadonlySet<string>;
  /** The nodes between the parameters and the target, in order; each is differentiable. */
  readonly nodes: readonly NodeProto[];
}

/**
 * The way from the wanted parameters to `targets`. Refuses the model if an operator on it has no gradient: all such are
 * named together, each with its own way to the loss. Shapes need not be known.
 */
export const routeTo = (
  g: Emitter,
  targets: readonly string[],
  wanted: ReadonlySet<string>,
  opset: number,
): Route => {
  const needed = reachable(g, wanted);
  const nodes = leadingTo(g.nodes, targets, needed);
  const operators = nodes.flatMap((node): BlockedOperator[] => {
    const why = whyBlocked(new NodeView(node, g), opset);
    const op = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
    return why === undefined
      ? []
      : [{ op, node: labelOf(node), path: pathTo(targets, node, nodes), why }];
  });
  if (operators.length > 0) refuse({ reason: 'blocked_operators', operators });
  return { needed, nodes };
};

export const entryOf = ({ domain, opType }: NodeProto): Entry | undefined =>
  (domain === '' ? GRADIENTS : domain === ABSTRACT ? TRAINING_GRADIENTS : {})[opType];

/** Values that depend on a wanted one by way of floats: the only ones whose gradient matters. */
const reachable = (g: Emitter, wanted: ReadonlySet<string>): ReadonlySet<string> => {
  const reached = new Set(wanted);
  for (const node of g.nodes) {
    const entry = entryOf(node);
    if (entry !== undefined && 'none' in entry) continue;
    if (!readsOf(node).some((name) => reached.has(name))) continue;
    for (const name of node.output) {
      const dtype = g.types.get(name)?.dtype;
      if (dtype === undefined || DTYPES[dtype].float) reached.add(name);
    }
  }
  return reached;
};

/** The nodes among `needed` that lead to the ends, in order. */
const leadingTo = (
  nodes: readonly NodeProto[],
  ends: readonly string[],
  needed: ReadonlySet<string>,
): readonly NodeProto[] => {
  const targets = new Set(ends);
  const leading: NodeProto[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => targets.has(name) && needed.has(name))) continue;
    leading.push(node);
    for (const name of readsOf(node)) if (needed.has(name)) targets.add(name);
  }
  return leading.reverse();
};

const whyBlocked = (n: NodeView, opset: number): string | undefined => {
  const entry = entryOf(n.proto);
  if (entry === undefined) return 'it is not in the gradient registry';
  if ('forbidden' in entry) return entry.forbidden;
  if ('none' in entry) return undefined;
  const [first, last] = entry.opset;
  if (opset < first || opset > last) {
    return `its gradient is known for opsets ${first} to ${last}, the model has ${opset}`;
  }
  // A shape that is missing here is missing because of an operator named already, or is reported by the rule.
  const typed = n.proto.input.every((name) => name === '' || n.scope.types.has(name));
  const otherwise = typed ? entry.unless?.(n) : undefined;
  // Whoever trains through it has written it out before (decompose.ts), unless that is impossible.
  return 'parts' in entry ? (otherwise ?? 'it was not written out in its parts') : otherwise;
};

/** The shortest way from a node to one of the targets, as labels; ends in `loss`. */
const pathTo = (
  targets: readonly string[],
  start: NodeProto,
  nodes: readonly NodeProto[],
): readonly string[] => {
  const queue = [{ node: start, path: [labelOf(start)] }];
  const seen = new Set([start]);
  for (const { node, path } of queue) {
    if (targets.some((target) => node.output.includes(target))) return [...path, 'loss'];
    for (const next of nodes) {
      if (seen.has(next) || !next.input.some((name) => node.output.includes(name))) continue;
      seen.add(next);
      queue.push({ node: next, path: [...path, labelOf(next)] });
    }
  }
  return [labelOf(start)];
};
