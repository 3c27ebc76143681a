import type { ParamsType } from '../protocol/fl-model.ts';

/** What an answer or a task's data is: FLARE's DataKind. */
export const DATA_KINDS = [
  'FL_MODEL',
  'WEIGHTS',
  'WEIGHT_DIFF',
  'METRICS',
  'ANALYTIC',
  'COLLECTION',
  'STATISTICS',
  'PSI',
  'APP_DEFINED',
] as const;
export type DataKind = (typeof DATA_KINDS)[number];

export const kindOf = (paramsType: ParamsType): DataKind =>
  paramsType === 'FULL' ? 'WEIGHTS' : 'WEIGHT_DIFF';
