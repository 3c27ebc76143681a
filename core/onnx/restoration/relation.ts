import type { Tensor } from '../../tensors/tensor.ts';
import type { Draft } from './draft.ts';

/** How a tensor of the model follows from an original of the same elements. */
export type Relation = 'same' | 'transposed' | 'reshaped';

/** Name of the value that is the original in the model's layout; emits the node that makes it. */
export const valueOf = (
  draft: Draft,
  original: string,
  relation: Relation,
  { shape }: Tensor,
): string => {
  if (relation === 'same') return original;
  if (relation === 'transposed') {
    return draft.make('Transpose', [original], `${original}/transposed`, { perm: [1, 0] });
  }
  return draft.make('Reshape', [original, draft.ints(shape)], `${original}/${shape.join('x')}`);
};
