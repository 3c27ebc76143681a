/** Cases of products. One line per operator, as in the registry. */
import * as fc from 'fast-check';
import { float } from '../../attribute.ts';
import { broadcastable, dim, filled, seed } from './case.suite.ts';
import type { Case } from './case.suite.ts';

const gemm = fc
  .tuple(dim(), dim(), dim(), fc.constantFrom(0, 1), fc.constantFrom(0, 1), fc.nat(4), seed)
  .map(([m, k, n, transA, transB, bias, s]): Case => {
    const c = [[n], [1, n], [m, 1], [m, n]][bias];
    return {
      inputs: [
        filled(transA ? [k, m] : [m, k], s, 'any'),
        filled(transB ? [n, k] : [k, n], s + 1, 'any'),
        ...(c === undefined ? [] : [filled(c, s + 2, 'any')]),
      ],
      attributes: { transA, transB, alpha: float(1.5), beta: float(bias % 2 ? 1 : 0.5) },
    };
  });

const matMul = fc
  .tuple(
    dim(3),
    dim(3),
    dim(3),
    broadcastable(2),
    fc.constantFrom('both', 'left', 'right', 'dot'),
    seed,
  )
  .map(([m, k, n, [left = [], right = []], form, s]): Case => ({
    inputs: [
      filled(form === 'left' || form === 'dot' ? [k] : [...left, m, k], s, 'any'),
      filled(form === 'right' || form === 'dot' ? [k] : [...right, k, n], s + 1, 'any'),
    ],
  }));

/** Letters of the same length everywhere, or 1 under an ellipsis. */
const EQUATIONS = [
  'ij,jk->ik',
  'bij,bkj->bik',
  'bij, bjk',
  'i,j->ij',
  'ij->',
  'ij->j',
  'ij->ji',
  'ii->i',
  'bii->b',
  'iij->ji',
  'ij,ji->',
  'i,ij,jk->k',
  'ij,k->ik',
  '...ij,...jk->...ik',
  '...i,...i',
  '...i,i->...',
];

const einsum = fc
  .tuple(
    fc.constantFrom(...EQUATIONS),
    fc.array(dim(3), { minLength: 6, maxLength: 6 }),
    fc.nat(3),
    seed,
  )
  .map(([equation, lengths, ones, s]): Case => {
    const terms = equation.replaceAll(' ', '').split('->')[0]?.split(',') ?? [];
    const lengthOf = (letter: string): number => lengths['bijk'.indexOf(letter)] ?? 1;
    return {
      inputs: terms.map((term, i) => {
        const wide = lengths[4] ?? 1;
        const outer = term.startsWith('...') ? [lengths[5] ?? 1, ones === i ? 1 : wide] : [];
        const own = term.replace('...', '').split('').map(lengthOf);
        return filled([...outer, ...own], s + i, 'any');
      }),
      attributes: { equation },
    };
  });

export const LINEAR: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  Einsum: einsum,
  Gemm: gemm,
  MatMul: matMul,
};
