import type { Manifest } from '../tensors/manifest.ts';
import { encodeModel } from './codec.ts';
import type { Emitter } from './emitter.ts';
import { copyOf, makeNode, pruned, readsOf } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** A plain ONNX model and what it takes and gives. It holds no weights but frozen ones that were asked to be inside. */
export interface Program {
  readonly model: Uint8Array;
  readonly manifest: Manifest;
}

/** Key of the manifest in the model's metadata. */
export const METADATA_KEY = 'tributary.manifest';

/**
 * Cuts a program out of a grown graph: what `outputs` (name -> value) depend on, under those names. Weights that the
 * manifest doesn't list as parameters are written into it.
 */
export const assemble = (
  g: Emitter,
  base: Graph,
  outputs: ReadonlyMap<string, string>,
  describe: (reads: ReadonlySet<string>) => Manifest,
): Program => {
  const nodes = named(g, outputs);
  const reads = new Set(nodes.flatMap(readsOf));
  const manifest = describe(reads);
  const { x, more = [], y, lr, seed, step, mu } = manifest.inputs;
  const inputs = [
    ...manifest.parameters,
    ...manifest.state,
    ...[x, ...more, y, lr, seed, step, mu].filter((spec) => spec !== undefined),
    ...(manifest.terms ?? []),
  ].map(({ input, dtype, shape }): Value => ({ name: input, dtype, shape }));
  const fed = new Set(inputs.map(({ name }) => name));
  const model = encodeModel({
    ...base,
    name: manifest.kind,
    inputs,
    outputs: [...outputs].map(([name, value]) => {
      const type = g.types.get(g.resolve(value));
      return type === undefined ? { name } : { name, type };
    }),
    nodes,
    initializers: new Map(
      [...base.initializers].filter(([name]) => reads.has(name) && !fed.has(name)),
    ),
    constants: new Map([...g.constants].filter(([name]) => reads.has(name))),
    metadata: new Map([...base.metadata, [METADATA_KEY, JSON.stringify(manifest)]]),
  });
  return { model, manifest };
};

/** The nodes that the outputs depend on, with their values renamed; a value asked for twice is copied. */
const named = (g: Emitter, outputs: ReadonlyMap<string, string>): readonly NodeProto[] => {
  const made = new Set(g.nodes.flatMap((node) => node.output));
  const names = new Map<string, string>();
  const copies: NodeProto[] = [];
  for (const [name, unresolved] of outputs) {
    const value = g.resolve(unresolved);
    if (name === value) names.set(value, name);
    else if (made.has(value) && !names.has(value)) names.set(value, name);
    else copies.push(makeNode('Identity', [value], [name]));
  }
  const wanted = [...names.keys(), ...copies.flatMap((node) => node.input)];
  const called = new Set<string>();
  return [...pruned(g.nodes, wanted), ...copies].map((node) => {
    const copy = renamed(node, names);
    // Ours are called by what they make, which the model may call another node by; runtimes want names once.
    if (called.has(copy.name)) copy.name = '';
    called.add(copy.name);
    return copy;
  });
};

const renamed = (node: NodeProto, names: ReadonlyMap<string, string>): NodeProto => {
  const rename = (name: string): string => names.get(name) ?? name;
  const copy = copyOf(node);
  copy.input = node.input.map(rename);
  copy.output = node.output.map(rename);
  return copy;
};
