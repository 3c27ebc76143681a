/** A graph's vector-Jacobian product as an ONNX model: how the tests look at single gradients. */
import { backward } from './backward.ts';
import { encodeModel } from './codec.ts';
import { decomposed } from './decompose.ts';
import { Emitter } from './emitter.ts';
import { copyOf, pruned, readsOf } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import { lower } from './lowering/lower.ts';
import type { Target } from './lowering/rule.ts';
import { opsetOf, PROGRAM_OPSET } from './prepare.ts';
import { routeTo } from './route.ts';
import { upgraded } from './upgrades/upgrade.ts';

export interface Vjp {
  readonly model: Uint8Array;
  /** Graph output that holds d/d input, by input; absent where nothing flows. */
  readonly grads: ReadonlyMap<string, string>;
  /** The output whose gradient is fed as `dy`. */
  readonly y: string;
}

/** Inputs of the graph, and `dy` -> y and the gradients of the inputs named in `wanted`. */
export const vjp = (forward: Graph, wanted: readonly string[], target: Target = 'wasm'): Vjp => {
  const opset = Math.max(PROGRAM_OPSET, opsetOf(forward));
  const current = { ...upgraded(forward, opsetOf(forward)), opsets: new Map([['', opset]]) };
  const graph = decomposed(current, new Set(wanted));
  const g = Emitter.of(graph, opset);
  const y = graph.outputs[0]?.name ?? '';
  const type = g.types.get(y);
  if (type === undefined) throw new Error(`the shape of ${y} is not inferred`);
  const route = routeTo(g, [y], new Set(wanted), opsetOf(forward));
  const dy = g.input('dy', type);
  const grads = backward(g, route, new Map([[y, dy]]));
  const lowered = lower(g, target);
  const named = new Map(
    [...grads]
      .filter(([name]) => wanted.includes(name))
      .map(([name, grad]) => [name, lowered.named(`d ${name}`, grad)]),
  );
  const value = lowered.resolve(y); // a rewritten node's
  const called = (name: string): string => (name === value ? y : name);
  const nodes = pruned(lowered.nodes, [value, ...named.values()]).map(copyOf);
  for (const node of nodes) {
    node.input = node.input.map(called);
    node.output = node.output.map(called);
  }
  const reads = new Set(nodes.flatMap(readsOf));
  const inputs: Value[] = [...graph.inputs, { name: dy, ...type }].filter(({ name }) =>
    reads.has(name),
  );
  const model = encodeModel({
    ...graph,
    inputs,
    outputs: [y, ...named.values()].map((name) => ({ name })),
    nodes,
    constants: new Map([...lowered.constants].filter(([name]) => reads.has(name))),
  });
  return { model, grads: named, y };
};
