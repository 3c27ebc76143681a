import { DTYPES } from '../tensors/dtype.ts';
import type { Emitter } from './emitter.ts';
import type { BlockedOperator } from './fault.ts';
import { refuse } from './fault.ts';
import { GRADIENTS } from './gradients/registry.ts';
import type { Entry } from './gradients/rule.ts';
import { GradientView } from './gradients/rule.ts';
import { unbroadcast } from './gradients/unbroadcast.ts';
import { labelOf } from './graph.ts';
import { NodeView } from './node-view.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/**
 * The reverse walk. Invariants:
 * 1. Every operator between a parameter and the loss is looked up before the first gradient is emitted; all that have
 *    none are named together, each with its path to the loss.
 * 2. Gradients are emitted only for values that a wanted parameter lies behind.
 * 3. A rule answers for each of its inputs; what it answers is summed back to the input's shape here and nowhere else.
 * 4. Several uses of a value add up.
 */
export const backward = (
  g: Emitter,
  /** d loss / d value, by value. */
  seeds: ReadonlyMap<string, string>,
  wanted: ReadonlySet<string>,
  opset: number,
): Map<string, string> => {
  const forward = [...g.nodes];
  const needed = reachable(g, forward, wanted);
  const active = leadingTo(forward, new Set(seeds.keys()), needed);
  const blocked = active.flatMap((node) => blockedBy(g, node, forward, seeds, opset));
  if (blocked.length > 0) refuse({ reason: 'blocked_operators', operators: blocked });
  const grads = new Map(seeds);
  for (const node of active.toReversed()) {
    const entry = GRADIENTS[node.opType];
    if (entry === undefined || !('rule' in entry)) continue;
    const view = new GradientView(node, g, needed, grads);
    if (!grads.has(view.out(0))) continue;
    const found = entry.rule(view, g);
    if (found.length < node.input.length)
      view.malformed('its rule does not answer for every input');
    found.forEach((grad, i) => {
      if (grad === null || !view.needs(i)) return;
      const name = view.in(i);
      const own = unbroadcast(g, view.label, grad, name);
      const before = grads.get(name);
      grads.set(name, before === undefined ? own : g.op('Add', [before, own]));
    });
  }
  return new Map([...wanted].flatMap((name) => pairOf(name, grads.get(name))));
};

const pairOf = (name: string, grad: string | undefined): [string, string][] =>
  grad === undefined ? [] : [[name, grad]];

const entryOf = (node: NodeProto): Entry | undefined =>
  node.domain === '' ? GRADIENTS[node.opType] : undefined;

/** Values that depend on a wanted one by way of floats: the only ones whose gradient matters. */
const reachable = (
  g: Emitter,
  nodes: readonly NodeProto[],
  wanted: ReadonlySet<string>,
): ReadonlySet<string> => {
  const reached = new Set(wanted);
  for (const node of nodes) {
    const entry = entryOf(node);
    if (entry !== undefined && 'none' in entry) continue;
    if (!node.input.some((name) => reached.has(name))) continue;
    for (const name of node.output) {
      const dtype = g.types.get(name)?.dtype;
      if (dtype === undefined || DTYPES[dtype].float) reached.add(name);
    }
  }
  return reached;
};

/** The nodes among `needed` that lead to a seed, in order. */
const leadingTo = (
  nodes: readonly NodeProto[],
  targets: Set<string>,
  needed: ReadonlySet<string>,
): readonly NodeProto[] => {
  const active: NodeProto[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.output.some((name) => targets.has(name) && needed.has(name))) continue;
    active.push(node);
    for (const name of node.input) if (needed.has(name)) targets.add(name);
  }
  return active.reverse();
};

const blockedBy = (
  g: Emitter,
  node: NodeProto,
  nodes: readonly NodeProto[],
  seeds: ReadonlyMap<string, string>,
  opset: number,
): readonly BlockedOperator[] => {
  const entry = entryOf(node);
  const why = whyBlocked(entry, new NodeView(node, g), opset);
  if (why === undefined) return [];
  const op = node.domain === '' ? node.opType : `${node.domain}.${node.opType}`;
  return [{ op, node: labelOf(node), path: pathToLoss(node, nodes, seeds), why }];
};

const whyBlocked = (entry: Entry | undefined, n: NodeView, opset: number): string | undefined => {
  if (entry === undefined) return 'it is not in the gradient registry';
  if ('forbidden' in entry) return entry.forbidden;
  if ('none' in entry) return undefined;
  const [first, last] = entry.opset;
  return opset < first || opset > last
    ? `its gradient is known for opsets ${first} to ${last}, the model has ${opset}`
    : entry.unless?.(n);
};

/** The shortest way from a node to a seed, as labels; ends in `loss`. */
const pathToLoss = (
  start: NodeProto,
  nodes: readonly NodeProto[],
  seeds: ReadonlyMap<string, string>,
): readonly string[] => {
  const queue: { readonly node: NodeProto; readonly path: readonly string[] }[] = [
    { node: start, path: [labelOf(start)] },
  ];
  const seen = new Set<NodeProto>([start]);
  for (const { node, path } of queue) {
    if (node.output.some((name) => seeds.has(name))) return [...path, 'loss'];
    for (const next of nodes) {
      if (seen.has(next) || !next.input.some((name) => node.output.includes(name))) continue;
      seen.add(next);
      queue.push({ node: next, path: [...path, labelOf(next)] });
    }
  }
  return [labelOf(start)];
};
