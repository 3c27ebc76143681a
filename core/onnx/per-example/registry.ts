import { convolution, convolutionBias } from './convolution.ts';
import { embedding } from './embedding.ts';
import { gemm, matMul } from './linear.ts';
import type { UseRule } from './use.ts';

/** Operators whose own gradient rule sums over the batch, by the input that a weight stands at. */
export const USES: Readonly<Record<string, Readonly<Record<number, UseRule>>>> = {
  Conv: { 1: convolution, 2: convolutionBias },
  Gather: { 0: embedding },
  Gemm: { 1: gemm },
  MatMul: { 1: matMul },
};
