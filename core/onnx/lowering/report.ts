import { decodeModel } from '../codec.ts';
import { allStatic } from '../dim.ts';
import { Emitter } from '../emitter.ts';
import { labelOf } from '../graph.ts';
import { NodeView } from '../node-view.ts';
import { opsetOf } from '../prepare.ts';
import type { Program } from '../program.ts';
import type { Target } from './rule.ts';
import { KERNELS } from './webgpu-kernels.ts';

/** A node that the GPU doesn't run. */
export interface Fallback {
  readonly op: string;
  readonly node: string;
  readonly reason: string;
}

/**
 * The nodes of a program that ONNX Runtime's WebGPU provider (1.30) would leave to the CPU, copying to and fro, or refuse
 * to run; none for the other targets, which are the CPU. A program that was written for `webgpu` and has none runs with
 * the fallback switched off (session option `session.disable_cpu_ep_fallback`).
 */
export const report = (
  { model }: Pick<Program, 'model'>,
  target: Target = 'webgpu',
): readonly Fallback[] => {
  if (target !== 'webgpu') return [];
  const graph = decodeModel(model);
  const g = Emitter.of(graph, opsetOf(graph));
  const fixed = new Set(g.constants.keys());
  return g.nodes.flatMap((node) => {
    const n = new NodeView(node, g);
    if (isFixed(n, fixed)) for (const name of node.output) fixed.add(name);
    const reason = fixed.has(n.out(0)) ? undefined : reasonOf(n);
    return reason === undefined ? [] : [{ op: node.opType, node: labelOf(node), reason }];
  });
};

/** Whether the runtime computes the node once and for all when it loads the graph. */
const isFixed = (n: NodeView, fixed: ReadonlySet<string>): boolean => {
  const { opType, input } = n.proto;
  const sizes = n.scope.types.get(n.in(0))?.shape;
  return opType === 'Shape' || opType === 'Size'
    ? sizes !== undefined && allStatic(sizes)
    : input.every((name) => name === '' || fixed.has(name));
};

const reasonOf = (n: NodeView): string | undefined => {
  const { domain, opType } = n.proto;
  const kernel = domain === '' ? KERNELS[opType] : undefined;
  if (kernel === undefined) return 'there is no kernel for it';
  const { types, data = 0, refuses } = kernel;
  const dtype = n.scope.types.get(n.in(data))?.dtype;
  return types !== undefined && dtype !== undefined && !types.includes(dtype)
    ? `its kernel does not take ${dtype}`
    : refuses?.(n);
};
