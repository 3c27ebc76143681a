import type { DataKind } from '../protocol/data-kind.ts';
import type { ParamsType } from '../protocol/fl-model.ts';

/** The DataKind of parameters of this type. */
export const kindOf = (paramsType: ParamsType): DataKind =>
  paramsType === 'FULL' ? 'WEIGHTS' : 'WEIGHT_DIFF';
