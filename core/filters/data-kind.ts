import type { DataKind } from '../protocol/data-kind.ts';
import type { ParamsType } from '../protocol/fl-model.ts';

export { DATA_KINDS } from '../protocol/data-kind.ts';
export type { DataKind } from '../protocol/data-kind.ts';

export const kindOf = (paramsType: ParamsType): DataKind =>
  paramsType === 'FULL' ? 'WEIGHTS' : 'WEIGHT_DIFF';
