import type { Tensor } from '../../tensors/tensor.ts';
import { float } from '../attribute.ts';
import { copyOf, makeNode } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import type { Draft } from './draft.ts';
import { copied, moduleOf, tensorOf } from './original.ts';

/** What folding leaves of float32's accuracy. */
const TOLERANCE = 1e-4;
/** Values of `eps` that models are built with; the file doesn't say. */
const EPSILONS = [1e-5, 1e-3, 1e-6, 1e-4, 1e-2, 1e-8, 1e-12, 0];

/**
 * Takes a convolution and the BatchNorm behind it apart again, which the exporter folds into one convolution where it
 * exports for inference: weight * gamma / sqrt(var + eps), (bias - mean) * gamma / sqrt(var + eps) + beta.
 */
export const foldedNorms = (draft: Draft): void => {
  draft.nodes = draft.nodes.flatMap((node) => {
    const [, weight = '', bias = ''] = node.input;
    const [folded, shift] = [draft.free.get(weight), draft.free.get(bias)];
    if (node.opType !== 'Conv' || folded === undefined || shift === undefined) return [node];
    for (const name of draft.missing) {
      const original = originalOf(draft, name);
      const scale = original && scaleBetween(original, folded);
      if (scale === undefined) continue;
      const taken = apart(draft, node, name, scale, shift);
      if (taken === undefined) continue;
      draft.free.delete(weight);
      draft.free.delete(bias);
      return taken;
    }
    return [node];
  });
};

const originalOf = (draft: Draft, name: string): Tensor | undefined => {
  const original = draft.originals.get(name);
  return original && tensorOf(original);
};

/** Factor of each output channel between two kernels; undefined where they aren't such multiples. */
const scaleBetween = (original: Tensor, folded: Tensor): Float64Array | undefined => {
  if (original.shape.length < 3 || original.shape.join() !== folded.shape.join()) return undefined;
  const channels = original.shape[0] ?? 0;
  const length = original.data.length / channels;
  const scale = new Float64Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    let [largest, at] = [0, 0];
    for (let i = channel * length; i < (channel + 1) * length; i++) {
      const size = Math.abs(Number(original.data[i]));
      if (size > largest) [largest, at] = [size, i];
    }
    const factor = largest === 0 ? NaN : Number(folded.data[at]) / Number(original.data[at]);
    for (let i = channel * length; i < (channel + 1) * length; i++) {
      const by = Math.abs(Number(folded.data[i]) - factor * Number(original.data[i]));
      if (!(by <= TOLERANCE * Math.abs(factor) * largest)) return undefined;
    }
    scale[channel] = factor;
  }
  return scale;
};

/** The convolution and its BatchNorm: the first after it, in order of definition, whose statistics explain the scale. */
const apart = (
  draft: Draft,
  node: NodeProto,
  weight: string,
  scale: Float64Array,
  shift: Tensor,
): readonly NodeProto[] | undefined => {
  const names = [...draft.originals.keys()];
  const ownBias = `${moduleOf(weight)}.bias`;
  const bias = originalOf(draft, ownBias);
  const behind = names.indexOf(weight);
  const norms = [...names.slice(behind), ...names.slice(0, behind)].flatMap((name) =>
    name.endsWith('.running_var') && !draft.found.has(name) ? [moduleOf(name)] : [],
  );
  for (const norm of norms) {
    const inputs = ['weight', 'bias', 'running_mean', 'running_var'].map((n) => `${norm}.${n}`);
    const tensors = inputs.map((name) => originalOf(draft, name));
    const [gamma, beta, mean, variance] = tensors;
    if (!gamma || !beta || !mean || !variance || variance.data.length !== scale.length) continue;
    const at = (tensor: Tensor, i: number): number => Number(tensor.data[i]);
    const explains = (eps: number): boolean =>
      scale.every((factor, i) => {
        const own = at(gamma, i) / Math.sqrt(at(variance, i) + eps);
        const moved = ((bias ? at(bias, i) : 0) - at(mean, i)) * own + at(beta, i);
        const size = Math.abs(at(mean, i) * own) + Math.abs(at(beta, i)) + Math.abs(own);
        return (
          Math.abs(factor - own) <= TOLERANCE * Math.abs(own) &&
          Math.abs(at(shift, i) - moved) <= TOLERANCE * size
        );
      });
    const epsilon = nearestEpsilon(scale, gamma, variance, explains);
    if (epsilon === undefined) continue;
    const convolution = copyOf(node);
    const between = `${node.output[0]}/${norm}`;
    convolution.input = [node.input[0] ?? '', weight, ...(bias ? [ownBias] : [])];
    convolution.output = [between];
    for (const name of [weight, ...(bias ? [ownBias] : []), ...inputs]) {
      const tensor = originalOf(draft, name);
      if (tensor !== undefined) draft.found.set(name, copied(tensor));
    }
    return [
      convolution,
      makeNode('BatchNormalization', [between, ...inputs], [node.output[0] ?? ''], {
        epsilon: float(epsilon),
      }),
    ];
  }
  return undefined;
};

/** Of the usual values the one nearest to what the scale implies: gamma^2 / scale^2 - var. */
const nearestEpsilon = (
  scale: Float64Array,
  gamma: Tensor,
  variance: Tensor,
  explains: (eps: number) => boolean,
): number | undefined => {
  const implied = Array.from(
    scale,
    (factor, i) => (Number(gamma.data[i]) / factor) ** 2 - Number(variance.data[i]),
  ).toSorted((a, b) => a - b);
  const median = implied[implied.length >> 1] ?? 0;
  return EPSILONS.filter(explains).toSorted(
    (a, b) => Math.abs(a - median) - Math.abs(b - median),
  )[0];
};
