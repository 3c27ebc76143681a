import { FL_MODEL_KEY } from '../../core/protocol/fl-model.ts';
import type { FLModelHeader, Metric, ParamsType } from '../../core/protocol/fl-model.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { ReturnCode } from '../../core/protocol/return-code.ts';
import { encodeParts } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { TaskError } from './task-error.ts';

/**
 * FLARE's FLModel (nvflare/app_common/abstract/fl_model.py): what a task brings and what a result takes back. `params`
 * are named tensors, never nested JSON. Rounds count from 0.
 */
export interface FLModel {
  /** FULL where `params` are whole values (assumed if absent), DIFF where they are differences from the model received. */
  readonly paramsType?: ParamsType;
  readonly params?: Tensors;
  /** Plain numbers, or sums with their number of examples, which add up over sites. */
  readonly metrics?: Readonly<Record<string, Metric>>;
  readonly startRound?: number;
  readonly currentRound?: number;
  readonly totalRounds?: number;
  /** `NUM_STEPS_CURRENT_ROUND`: optimizer steps taken, the aggregation weight. */
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** A result ready to be sent: the body's pieces are views of the tensors, not copies. */
export interface EncodedResult {
  readonly contentType: string;
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly returnCode: ReturnCode;
}

const json = (value: unknown): Uint8Array<ArrayBuffer> =>
  new TextEncoder().encode(JSON.stringify(value));

/**
 * The wire form of a successful result. Throws TypeError or RangeError on a model that isn't one, TaskError
 * EXECUTION_RESULT_ERROR where metrics and meta are more than the server takes.
 */
export const encodeResult = (model: FLModel): EncodedResult => {
  const { params, paramsType, metrics, meta, currentRound, totalRounds } = model;
  if (paramsType !== undefined && !params) throw new TypeError('paramsType without params');
  if (!params && !metrics) throw new TypeError('a result needs params or metrics');
  for (const round of [model.startRound, currentRound, totalRounds]) {
    if (round !== undefined && !(Number.isInteger(round) && round >= 0)) {
      throw new RangeError(`rounds are integers from 0, not ${round}`);
    }
  }
  const header: FLModelHeader = {
    ...(params && { params_type: paramsType ?? 'FULL' }),
    ...(metrics && { metrics: { ...metrics } }),
    ...(meta && { meta: { ...meta } }),
    ...(currentRound !== undefined && { current_round: currentRound }),
    ...(totalRounds !== undefined && { total_rounds: totalRounds }),
    return_code: 'OK',
  };
  const said = json(header);
  if (said.length > LIMITS.replyJsonBytes) {
    const why = `metrics and meta take ${said.length} bytes, at most ${LIMITS.replyJsonBytes}`;
    throw new TaskError('EXECUTION_RESULT_ERROR', why);
  }
  if (!params) {
    return { contentType: 'application/json', parts: [said], returnCode: 'OK' };
  }
  const parts = encodeParts(params, new Map([[FL_MODEL_KEY, JSON.stringify(header)]]));
  return {
    contentType: 'application/x-safetensors',
    parts: parts as Uint8Array<ArrayBuffer>[],
    returnCode: 'OK',
  };
};

/** The wire form of a failure: FLARE's make_reply(rc). */
export const encodeFailure = (
  returnCode: Exclude<ReturnCode, 'OK'>,
  meta: Readonly<Record<string, unknown>> = {},
): EncodedResult => {
  const header: FLModelHeader = { return_code: returnCode, meta };
  const said = json(header);
  const short = said.length <= LIMITS.replyJsonBytes ? said : json({ return_code: returnCode });
  return { contentType: 'application/json', parts: [short], returnCode };
};
