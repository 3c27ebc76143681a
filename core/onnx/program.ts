import type { Manifest } from '../tensors/manifest.ts';
import { encodeModel } from './codec.ts';
import type { Emitter } from './emitter.ts';
import { copyOf, pruned, readsOf } from './graph.ts';
import type { Graph, Value } from './graph.ts';
import type { NodeProto } from './proto/onnx_pb.ts';

/** A plain ONNX model without weights, and what it takes and gives. */
export interface Program {
  readonly model: Uint8Array;
  readonly manifest: Manifest;
}

/** Key of the manifest in the model's metadata. */
const METADATA_KEY = 'tributary.manifest';

/** Cuts a program out of a grown graph: what `outputs` (name -> value) depend on, under those names. */
export const assemble = (
  g: Emitter,
  base: Graph,
  outputs: ReadonlyMap<string, string>,
  describe: (reads: ReadonlySet<string>) => Manifest,
): Program => {
  const names = new Map([...outputs].map(([name, value]) => [value, name]));
  const nodes = pruned(g.nodes, [...names.keys()]).map((node) => renamed(node, names));
  const reads = new Set(nodes.flatMap(readsOf));
  const manifest = describe(reads);
  const { x, y, lr, step, mu } = manifest.inputs;
  const inputs = [
    ...manifest.parameters,
    ...manifest.state,
    ...[x, y, lr, step, mu].filter((spec) => spec !== undefined),
    ...(manifest.terms ?? []),
  ].map(({ input, dtype, shape }): Value => ({ name: input, dtype, shape }));
  const model = encodeModel({
    ...base,
    name: manifest.kind,
    inputs,
    outputs: [...outputs].map(([name, value]) => {
      const type = g.types.get(value);
      return type === undefined ? { name } : { name, type };
    }),
    nodes,
    initializers: new Map(),
    constants: new Map([...g.constants].filter(([name]) => reads.has(name))),
    metadata: new Map([...base.metadata, [METADATA_KEY, JSON.stringify(manifest)]]),
  });
  return { model, manifest };
};

const renamed = (node: NodeProto, names: ReadonlyMap<string, string>): NodeProto => {
  const rename = (name: string): string => names.get(name) ?? name;
  const copy = copyOf(node);
  copy.input = node.input.map(rename);
  copy.output = node.output.map(rename);
  return copy;
};
