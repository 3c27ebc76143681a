/** What a DXO holds: FLARE's DataKind (nvflare/apis/dxo.py), the whole list. */
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
