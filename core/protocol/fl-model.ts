import * as v from 'valibot';
import { DATA_KINDS } from './data-kind.ts';
import { LIMITS } from './limits.ts';
import { RETURN_CODES } from './return-code.ts';

/** FLARE's ParamsType: the whole parameters, or their difference from the model received. */
export const ParamsType = v.picklist(['FULL', 'DIFF']);
export type ParamsType = v.InferOutput<typeof ParamsType>;

const Finite = v.pipe(v.number(), v.finite('a finite number'));

const most = LIMITS.metricSize;
const Measured = v.pipe(
  Finite,
  v.minValue(-most, `at least -${most}`),
  v.maxValue(most, `at most ${most}`),
);

/**
 * One metric of a result: a plain number, or a sum over `count` examples, divided once when metrics of several
 * sites meet. A plain number counts as one example.
 */
export const Metric = v.union([
  Measured,
  v.pipe(
    v.strictObject({ sum: Measured, count: v.pipe(Finite, v.minValue(0, 'a number >= 0')) }),
    v.check(
      ({ sum, count }) => count === 0 || Math.abs(sum / count) <= most,
      `a mean of at most ${most}`,
    ),
  ),
]);
export type Metric = v.InferOutput<typeof Metric>;

const MetricKey = v.pipe(
  v.string(),
  v.minLength(1, 'at least 1 character'),
  v.maxLength(LIMITS.metricKeyLength, `at most ${LIMITS.metricKeyLength} characters`),
);

/** Named tensor sets of a result: FLARE's DXO COLLECTION. Without it, all tensors are `params`. */
const TensorSets = v.record(
  v.pipe(v.string(), v.regex(/^[a-z][a-z0-9_]{0,31}$/, 'a name of [a-z0-9_], 1 to 32 long')),
  v.strictObject({ kind: v.picklist(['WEIGHTS', 'WEIGHT_DIFF', 'OTHER']), prefix: v.string() }),
);

/**
 * What a result says besides its tensors: FLARE's FLModel without `params`. It is the JSON string under
 * `__metadata__.fl_model` of a safetensors result, or the whole body of an application/json one.
 * `meta.NUM_STEPS_CURRENT_ROUND` is the number of optimizer steps taken: the aggregation weight.
 * An Executor's Shareable says more: the kind of its DXO where tensors and metrics don't tell it, with `data` that is
 * neither (STATISTICS, PSI, ...); its headers, the task's cookies among them; and the site's public FLContext props.
 */
export const FLModelHeader = v.object({
  params_type: v.optional(ParamsType),
  metrics: v.optional(v.record(MetricKey, Metric)),
  meta: v.optional(v.record(v.string(), v.unknown())),
  return_code: v.optional(v.picklist(RETURN_CODES)),
  sets: v.optional(TensorSets),
  current_round: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0, 'an integer >= 0'))),
  total_rounds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0, 'an integer >= 0'))),
  data_kind: v.optional(v.picklist(DATA_KINDS)),
  data: v.optional(v.unknown()),
  headers: v.optional(v.record(v.string(), v.unknown())),
  peer_props: v.optional(v.record(v.string(), v.unknown())),
});
export type FLModelHeader = v.InferOutput<typeof FLModelHeader>;

/** Key in a safetensors file's `__metadata__` that holds the FLModelHeader. */
export const FL_MODEL_KEY = 'fl_model';

/** Key in a safetensors file's `__metadata__` that says how its tensors are quantised (core/filters/quantization). */
export const QUANTIZATION_KEY = 'quantization';
