import type { Tensor } from '../../tensors/tensor.ts';
import { refuse } from '../fault.ts';
import { labelOf } from '../graph.ts';
import type { Draft } from './draft.ts';
import { contentOf, copied, isUniform, tensorOf, transposed } from './original.ts';
import { valueOf } from './relation.ts';
import type { Relation } from './relation.ts';
import { nearness } from './scope.ts';
import { reading, usesOf } from './uses.ts';
import type { Use } from './uses.ts';

/** Originals of one value, and the model's tensors that have it too. */
interface Group {
  readonly originals: string[];
  readonly tensors: Map<string, Relation>;
}

/**
 * Finds missing originals by their values: tensors that the exporter renamed, transposed, moved into a constant or merged
 * with others that merely started equal. Several originals of one value are told apart by the modules that the nodes
 * come from, then by order. `weights` names the tensors that are initializers.
 */
export const byValue = (draft: Draft, weights: { has(name: string): boolean }): void => {
  const tensors = new Map([...draft.free, ...draft.found]);
  const values = new Map<Use, string>();
  for (const { originals, tensors: related } of groups(draft, tensors)) {
    const uses = usesOf(draft.nodes, related);
    const owners = [...related.keys()].filter((name) => draft.found.has(name));
    const assigned = assign(draft, [...owners, ...originals], uses, (use) => {
      return weights.has(use.tensor) || tells(tensors.get(use.tensor));
    });
    for (const [use, original] of assigned) {
      const tensor = tensors.get(use.tensor);
      const relation = related.get(use.tensor);
      if (tensor === undefined || relation === undefined) continue;
      values.set(use, valueOf(draft, original, relation, tensor));
      const own = draft.originals.get(original);
      const given = own && tensorOf(own);
      if (given !== undefined && !draft.found.has(original)) {
        draft.found.set(original, copied(given));
      }
    }
    for (const { tensor } of assigned.keys()) draft.free.delete(tensor);
  }
  draft.nodes = reading(draft.nodes, values);
};

/** Whether a tensor's value says which it is. */
const tells = (tensor: Tensor | undefined): boolean => tensor !== undefined && !isUniform(tensor);

/** Groups with something to do: an original that is missing, or a tensor without a name of its own. */
const groups = (draft: Draft, tensors: ReadonlyMap<string, Tensor>): readonly Group[] => {
  const candidates = [...draft.originals].flatMap(([name, original]): [string, Tensor][] => {
    const tensor = draft.found.get(name) ?? tensorOf(original);
    return tensor === undefined ? [] : [[name, tensor]];
  });
  const sizes = new Set(candidates.map(([, { data }]) => data.byteLength));
  const byContent = new Map<string, string[]>();
  for (const [name, tensor] of tensors) {
    if (!sizes.has(tensor.data.byteLength)) continue;
    const content = contentOf(tensor);
    byContent.set(content, [...(byContent.get(content) ?? []), name]);
  }
  const groups = new Map<string, Group>();
  for (const [name, tensor] of candidates) {
    const content = contentOf(tensor);
    const key = `${content} ${tensor.shape.join()}`;
    const group =
      groups.get(key) ?? groupOf(draft, tensor, tensors, (of) => byContent.get(of) ?? []);
    groups.set(key, group);
    if (!draft.found.has(name)) group.originals.push(name);
  }
  return [...groups.values()].filter(
    ({ originals, tensors: related }) =>
      originals.length > 0 || [...related.keys()].some((name) => tells(draft.free.get(name))),
  );
};

/** The tensors of one value. One number all over tells too little: it must have the shape too. */
const groupOf = (
  draft: Draft,
  tensor: Tensor,
  tensors: ReadonlyMap<string, Tensor>,
  having: (content: string) => readonly string[],
): Group => {
  const related = new Map<string, Relation>();
  const add = (relation: Relation, { shape }: Tensor, content: string): void => {
    for (const other of having(content)) {
      const fits = relation === 'reshaped' || tensors.get(other)?.shape.join() === shape.join();
      const free = relation === 'same' || (draft.free.has(other) && !isUniform(tensor));
      if (fits && free && !related.has(other)) related.set(other, relation);
    }
  };
  add('same', tensor, contentOf(tensor));
  if (tensor.shape.length === 2) {
    const swapped = transposed(tensor);
    add('transposed', swapped, contentOf(swapped));
  }
  add('reshaped', tensor, contentOf(tensor));
  return { originals: [], tensors: related };
};

/** Which original each use reads. A use of a tensor that already has its own original's name may stay with it. */
const assign = (
  draft: Draft,
  names: readonly string[],
  uses: readonly Use[],
  telling: (use: Use) => boolean,
): ReadonlyMap<Use, string> => {
  const claimants = [...draft.originals.keys()].filter((name) => names.includes(name));
  const assigned = new Map<Use, string>();
  for (const use of uses) {
    const near = nearest(use, claimants);
    if (near !== undefined) assigned.set(use, near);
  }
  const open = uses.filter((use) => !assigned.has(use) && telling(use));
  const taken = new Set(assigned.values());
  const left = claimants.filter((name) => !taken.has(name));
  const tensors = [...new Set(open.map(({ tensor }) => tensor))];
  const [theirs, others] = [
    left.filter((name) => tensors.includes(name)),
    left.filter((name) => !tensors.includes(name)),
  ];
  const strangers = tensors.filter((name) => !theirs.includes(name));
  if (open.length === 0) return assigned;
  if (claimants.length === 1 || left.length === 0) {
    const [first = ''] = claimants;
    for (const use of open) assigned.set(use, claimants.includes(use.tensor) ? use.tensor : first);
  } else if (strangers.length === others.length) {
    for (const use of open) {
      assigned.set(use, others[strangers.indexOf(use.tensor)] ?? use.tensor);
    }
  } else if (open.length === left.length) {
    open.forEach((use, i) => assigned.set(use, left[i] ?? use.tensor));
  } else if (strangers.length > 0 || open.length > tensors.length) {
    refuse({
      reason: 'bad_option',
      option: 'stateDict',
      detail: `${left.join(', ')} have the same values, and nothing tells which of them is read by ${open
        .map(({ node }) => labelOf(node))
        .join(', ')}; export with training=TrainingMode.TRAINING, which merges no parameters`,
    });
  }
  return assigned;
};

/** The only claimant of the innermost module that the node was traced in. */
const nearest = ({ node }: Use, claimants: readonly string[]): string | undefined => {
  const scores = claimants.map((name) => nearness(node, name));
  const best = Math.max(...scores);
  const at = scores.indexOf(best);
  return best > 0 && scores.lastIndexOf(best) === at ? claimants[at] : undefined;
};
