import type { Emitter } from '../emitter.ts';
import type { GradientView } from '../gradients/rule.ts';
import { convolution, convolutionBias } from './convolution.ts';
import { embedding } from './embedding.ts';
import { gemm, matMul } from './linear.ts';
import type { Use } from './use.ts';

/** What an operator gives the weight at input `i`, example by example; undefined where it can't be told. */
export type UseRule = (n: GradientView, g: Emitter) => Use | undefined;

/** Operators whose own gradient rule sums over the batch, by the input that a weight stands at. */
export const USES: Readonly<Record<string, Readonly<Record<number, UseRule>>>> = {
  Conv: { 1: convolution, 2: convolutionBias },
  Gather: { 0: embedding },
  Gemm: { 1: gemm },
  MatMul: { 1: matMul },
};
