import type { NodeProto } from '../proto/onnx_pb.ts';
import { moduleOf } from './original.ts';

/** Written by PyTorch's newer exporter: ['', 'h', 'h.0', 'h.0.attn', 'linear'], modules from the outside in. */
const NAME_SCOPES = 'pkg.torch.onnx.name_scopes';

/**
 * The modules that a node was traced in, by name. The older exporter puts them in the node's name, a path such as
 * `/layer1/layer1.0/conv1/Conv` in which the parts of a container repeat its name.
 */
const modulesOf = (node: NodeProto): ReadonlySet<string> => {
  const scopes = node.metadataProps.find(({ key }) => key === NAME_SCOPES)?.value;
  if (scopes !== undefined) {
    return new Set(Array.from(scopes.matchAll(/'([^']*)'/g), ([, name = '']) => name));
  }
  if (!node.name.startsWith('/')) return new Set();
  const path: string[] = [];
  const modules = new Set<string>();
  for (const part of node.name.split('/').slice(1, -1)) {
    if (part.startsWith(`${path.at(-1)}.`)) path.pop();
    path.push(part);
    modules.add(path.join('.'));
  }
  return modules;
};

/** How surely a node reads a parameter, from where both stand: length of the module's name, 0 if nothing says so. */
export const nearness = (node: NodeProto, parameter: string): number => {
  const module = moduleOf(parameter);
  return modulesOf(node).has(module) ? module.length : 0;
};
