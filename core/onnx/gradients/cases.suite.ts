/** For each differentiable operator: graphs of one node, with random shapes, attributes and values. */
import type * as fc from 'fast-check';
import { ARRANGEMENT } from './cases/arrangement.suite.ts';
import type { Case } from './cases/case.suite.ts';
import { ELEMENTWISE } from './cases/elementwise.suite.ts';
import { INDEXING } from './cases/indexing.suite.ts';
import { LINEAR } from './cases/linear.suite.ts';
import { NORMALIZATION } from './cases/normalization.suite.ts';
import { PARTS } from './cases/parts.suite.ts';
import { REDUCTION } from './cases/reduction.suite.ts';
import { WINDOW } from './cases/window.suite.ts';

export const CASES: Readonly<Record<string, fc.Arbitrary<Case>>> = {
  ...ARRANGEMENT,
  ...INDEXING,
  ...ELEMENTWISE,
  ...LINEAR,
  ...NORMALIZATION,
  ...PARTS,
  ...REDUCTION,
  ...WINDOW,
};
