import type { Parts } from '../gradients/rule.ts';
import { fromFront } from '../node-view.ts';

/** Each named axis cut or padded with zeros around its centre, to the length asked for. */
export const centerCropPad: Parts = (n, g) => {
  const rank = n.rank(0);
  const wanted = n.intsAt(1, 'shape') ?? n.malformed('shape is missing');
  const axes = fromFront(n.ints('axes') ?? [...Array(rank).keys()], rank);
  const pads = Array.from({ length: 2 * rank }, () => 0);
  axes.forEach((axis, i) => {
    const more = (wanted[i] ?? 0) - n.number(n.shape(0)[axis] ?? 0, 'because its centre is taken');
    pads[axis] = more > 0 ? Math.floor(more / 2) : -Math.floor(-more / 2);
    pads[rank + axis] = more - (pads[axis] ?? 0);
  });
  return [g.op('Pad', [n.in(0), g.ints(pads)])];
};
