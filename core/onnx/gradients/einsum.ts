import type { Emitter } from '../emitter.ts';
import { equationOf } from '../equation.ts';
import { constantLike } from './constant.ts';
import type { GradientView, Rule } from './rule.ts';

/**
 * Y[output] = sum of the product of all X_i[labels_i]. dX_i is the Einsum of dY and the other inputs with labels_i as its
 * output; labels that nothing else has were summed alone, so dX_i is the same all along them; where X_i has a label twice,
 * only its diagonal was read, and the rest of dX_i is 0.
 */
export const einsum: Rule = (n, g) => {
  const { inputs, output, ellipsis } = equationOf(n);
  return inputs.map((labels, i) => {
    if (!n.needs(i)) return null;
    const others = inputs.flatMap((term, at) => (at === i ? [] : [{ term, name: n.in(at) }]));
    const terms = [{ term: output, name: n.grad }, ...others];
    const present = new Set(terms.flatMap(({ term }) => term.split('')));
    const own = [...new Set(labels.split(''))].filter((label) => present.has(label)).join('');
    const labelled = [...terms.map(({ term }) => term), own];
    // Axes that are broadcast may stand under an ellipsis only: what has a letter is as long everywhere.
    const short = (term: string): string =>
      ellipsis !== '' && labelled.every((each) => each.includes(ellipsis))
        ? term.replace(ellipsis, '...')
        : term;
    const equation = `${terms.map(({ term }) => short(term)).join()}->${short(own)}`;
    const found =
      labelled.length === 2 && output === own
        ? n.grad
        : g.op(
            'Einsum',
            terms.map(({ name }) => name),
            { equation },
          );
    return laidOut(n, g, i, labels, own, found);
  });
};

/** Brings what is labelled `own` (distinct labels, in the order that `labels` first has them) into the shape of X_i. */
const laidOut = (
  n: GradientView,
  g: Emitter,
  i: number,
  labels: string,
  own: string,
  found: string,
): string => {
  if (own === labels) return found;
  const missing = labels
    .split('')
    .flatMap((label, axis) =>
      labels.indexOf(label) === axis && own.includes(label) ? [] : [axis],
    );
  const placed = g.op('Unsqueeze', [found, g.ints(missing)]);
  const twice = labels
    .split('')
    .flatMap((label, axis) =>
      labels.indexOf(label) === axis ? [] : [{ axis, first: labels.indexOf(label) }],
    );
  const diagonal = twice.reduce(
    (x, { axis, first }) => g.op('Mul', [x, identity(n, g, i, first, axis)]),
    placed,
  );
  const alone = labels.split('').some((label) => !own.includes(label));
  return alone ? g.expandLike(diagonal, n.in(i)) : diagonal;
};

/** 1 where the index on both axes is the same, else 0; 1 long on all others. */
const identity = (
  n: GradientView,
  g: Emitter,
  i: number,
  first: number,
  second: number,
): string => {
  const shape = n.shape(i);
  const size = n.number(shape[first] ?? 1, 'because its diagonal is read');
  const data = new Float32Array(size * size);
  for (let at = 0; at < size; at++) data[at * size + at] = 1;
  const square = shape.map((_, axis) => (axis === first || axis === second ? size : 1));
  return constantLike(g, n.in(i), square, data);
};
