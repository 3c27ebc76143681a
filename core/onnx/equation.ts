import type { NodeView } from './node-view.ts';

/** An Einsum's equation: a label for each axis of each input and of the output, its ellipses spelled out. */
export interface Equation {
  readonly inputs: readonly string[];
  readonly output: string;
  /** The labels that stand for an ellipsis; '' where there is none. */
  readonly ellipsis: string;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/**
 * The equation of an Einsum node. The axes that an ellipsis stands for are counted from the last and get letters that
 * the equation doesn't use; without an arrow, the output is the ellipsis and then every letter that occurs once.
 */
export const equationOf = (n: NodeView): Equation => {
  const text = n.text('equation', '').replaceAll(' ', '');
  const free = LETTERS.split('').filter((letter) => !text.includes(letter));
  const [left = '', right] = text.split('->');
  const terms = left.split(',');
  if (terms.length !== n.arity) n.malformed(`${terms.length} terms for ${n.arity} inputs`);
  const widths = terms.map((term, i) =>
    term.includes('...') ? n.rank(i) - (term.length - '...'.length) : 0,
  );
  const ellipsisOf = (width: number): string => free.slice(0, width).toReversed().join('');
  const inputs = terms.map((term, i) => {
    const spelled = term.replace('...', ellipsisOf(widths[i] ?? 0));
    if (spelled.length !== n.rank(i)) n.malformed(`${term} doesn't fit rank ${n.rank(i)}`);
    return spelled;
  });
  const all = left.replaceAll(/[,.]/g, '').split('');
  const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).toSorted();
  const output = right ?? `${left.includes('...') ? '...' : ''}${once.join('')}`;
  const ellipsis = ellipsisOf(Math.max(...widths));
  return { inputs, output: output.replace('...', ellipsis), ellipsis };
};
