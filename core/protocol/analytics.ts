import * as v from 'valibot';
import { fieldsOf } from './fields.ts';
import { LIMITS } from './limits.ts';

/** FLARE's AnalyticsDataType that have a meaning without a tracking server. */
const AnalyticsType = v.picklist([
  'SCALAR',
  'SCALARS',
  'TEXT',
  'METRIC',
  'METRICS',
  'PARAMETER',
  'TAG',
]);

const Value = v.union([
  v.pipe(v.number(), v.finite()),
  v.pipe(
    v.string(),
    v.maxLength(LIMITS.metricTextLength, `at most ${LIMITS.metricTextLength} characters`),
  ),
  v.boolean(),
  fieldsOf(v.pipe(v.number(), v.finite())),
]);

/** One logged value. `seq` is the site's own counter: a repeated (site, seq) is dropped. */
export const AnalyticsEntry = v.strictObject({
  seq: v.pipe(v.number(), v.integer(), v.minValue(0)),
  key: v.pipe(
    v.string(),
    v.minLength(1),
    v.maxLength(LIMITS.metricKeyLength, `at most ${LIMITS.metricKeyLength} characters`),
  ),
  value: Value,
  type: v.optional(AnalyticsType, 'SCALAR'),
  step: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** Milliseconds since 1970, by the site's clock. */
  time: v.optional(v.number()),
});
export type AnalyticsEntry = v.InferOutput<typeof AnalyticsEntry>;

/** Body of POST /v1/jobs/:id/metrics. */
export const AnalyticsBatch = v.strictObject({
  entries: v.pipe(v.array(AnalyticsEntry), v.maxLength(LIMITS.metricsBatch)),
});

/** One line of GET /v1/jobs/:id/metrics. */
export const AnalyticsRecord = v.object({
  id: v.number(),
  site: v.string(),
  key: v.string(),
  value: v.unknown(),
  type: v.string(),
  step: v.nullable(v.number()),
  time: v.number(),
});
export type AnalyticsRecord = v.InferOutput<typeof AnalyticsRecord>;
