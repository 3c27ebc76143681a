import type { Tensor } from '../../tensors/tensor.ts';
import { copyOf } from '../graph.ts';
import type { NodeProto } from '../proto/onnx_pb.ts';
import type { Draft } from './draft.ts';
import { copied, tensorOf } from './original.ts';

/** ONNX's order of gates in terms of PyTorch's: LSTM i f g o -> i o f c, GRU r z n -> z r h. */
const GATES: Readonly<Record<string, readonly number[]>> = {
  LSTM: [0, 3, 1, 2],
  GRU: [1, 0, 2],
  RNN: [0],
};

/**
 * Takes PyTorch's weight_ih_l0, weight_hh_l0, bias_ih_l0 and bias_hh_l0 (and those of the other direction) out of the
 * tensors that constant folding made of them for a recurrent node: gates in another order, biases in one.
 */
export const recurrent = (draft: Draft): void => {
  draft.nodes = draft.nodes.map((node) => {
    const order = GATES[node.opType];
    const folded = [node.input[1] ?? '', node.input[2] ?? '', node.input[3] ?? ''];
    if (order === undefined || !draft.free.has(folded[0] ?? '')) return node;
    for (const name of draft.missing) {
      const [, prefix, layer] = /^(.*)weight_ih_(l\d+)$/.exec(name) ?? [];
      if (prefix === undefined || layer === undefined) continue;
      const restored = layerOf(draft, node, order, prefix, layer);
      if (restored !== undefined) return restored;
    }
    return node;
  });
};

/** The node with its weights made of one layer's originals; undefined where their values differ. */
const layerOf = (
  draft: Draft,
  node: NodeProto,
  order: readonly number[],
  prefix: string,
  layer: string,
): NodeProto | undefined => {
  const weights = draft.free.get(node.input[1] ?? '');
  const directions = weights?.shape[0] === 2 ? ['', '_reverse'] : [''];
  const parts = [['weight_ih'], ['weight_hh'], ['bias_ih', 'bias_hh']].map((kinds) =>
    directions.map((direction) => kinds.map((kind) => `${prefix}${kind}_${layer}${direction}`)),
  );
  const biased = draft.free.has(node.input[3] ?? '');
  const read = biased ? parts : parts.slice(0, 2);
  for (const [i, part] of read.entries()) {
    const folded = draft.free.get(node.input[i + 1] ?? '');
    const tensors = part.flat().map((name) => {
      const original = draft.originals.get(name);
      return original && tensorOf(original);
    });
    if (folded === undefined || !tensors.every((tensor) => tensor !== undefined)) return undefined;
    const expected = tensors.flatMap((tensor) => gatesOf(tensor, order));
    if (!sameElements(expected, folded)) return undefined;
    part.flat().forEach((name, at) => {
      const tensor = tensors[at];
      if (tensor !== undefined) draft.found.set(name, copied(tensor));
    });
  }
  const copy = copyOf(node);
  read.forEach((part, i) => {
    draft.free.delete(node.input[i + 1] ?? '');
    copy.input[i + 1] = stacked(
      draft,
      part.map((names) => joined(draft, names, order)),
    );
  });
  return copy;
};

/** A tensor's gates along its first axis, in ONNX's order. */
const gatesOf = ({ data }: Tensor, order: readonly number[]): readonly Tensor['data'][] => {
  const length = data.length / order.length;
  return order.map((gate) => data.subarray(gate * length, (gate + 1) * length));
};

const sameElements = (parts: readonly Tensor['data'][], { data }: Tensor): boolean => {
  let at = 0;
  for (const part of parts) {
    for (const value of part) if (value !== data[at++]) return false;
  }
  return at === data.length;
};

/** The originals' gates in ONNX's order, one behind the other. */
const joined = (draft: Draft, names: readonly string[], order: readonly number[]): string => {
  if (order.length === 1 && names.length === 1) return names[0] ?? '';
  const gates = names.flatMap((name) => {
    const rows = (draft.found.get(name)?.shape[0] ?? 0) / order.length;
    const inputs = [name, draft.ints(order.map(() => rows))];
    const outputs = order.map((_, gate) => `${name}/gate.${gate}`);
    const made = draft.makeAll('Split', inputs, outputs, { axis: 0 });
    return order.map((gate) => made[gate] ?? '');
  });
  return draft.make('Concat', gates, `${names.join('+')}/gates`, { axis: 0 });
};

/** Directions as the first axis. */
const stacked = (draft: Draft, values: readonly string[]): string => {
  const rows = values.map((value) =>
    draft.make('Unsqueeze', [value, draft.ints([0])], `${value}/row`),
  );
  return rows.length === 1
    ? (rows[0] ?? '')
    : draft.make('Concat', rows, rows.join('+'), { axis: 0 });
};
