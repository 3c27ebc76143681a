import { kindOf } from '../../core/filters/data-kind.ts';
import type { DataKind } from '../../core/protocol/data-kind.ts';
import { FL_MODEL_KEY, QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import type { FLModelHeader, Metric, ParamsType } from '../../core/protocol/fl-model.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { ReturnCode } from '../../core/protocol/return-code.ts';
import { encodeParts } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { Content, TensorSet } from './assignment.ts';
import { TaskError } from './task-error.ts';

/**
 * FLARE's FLModel (nvflare/app_common/abstract/fl_model.py): what a task brings and what a result takes back. `params`
 * are named tensors, never nested JSON. Rounds count from 0.
 */
export interface FLModel {
  /** FULL where `params` are whole values (assumed if absent), DIFF where they are differences from the model received. */
  readonly paramsType?: ParamsType;
  readonly params?: Tensors;
  /** Optimizer state, for a workflow that asks for it. */
  readonly optimizerParams?: Tensors;
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
 * A model with FLARE's defaults, if it is one: `paramsType` is FULL where there are params, `startRound` 0, `meta` empty.
 * Throws TypeError on a type that is none, or without params, and on params, metrics and meta that are none; RangeError on
 * rounds that aren't integers from 0.
 */
export const checkedModel = (model: FLModel): FLModel => {
  const { params, optimizerParams, paramsType, metrics, meta = {}, startRound = 0 } = model;
  if (paramsType !== undefined && paramsType !== 'FULL' && paramsType !== 'DIFF') {
    throw new TypeError(`paramsType is FULL or DIFF, not ${String(paramsType)}`);
  }
  if (paramsType !== undefined && !params) throw new TypeError('paramsType without params');
  for (const [name, tensors] of Object.entries({ params, optimizerParams })) {
    if (tensors !== undefined && !(tensors instanceof Map)) {
      throw new TypeError(`${name} is a Map of named tensors, not ${typeof tensors}`);
    }
  }
  for (const [name, value] of Object.entries({ metrics, meta })) {
    if (value !== undefined && !isRecord(value)) throw new TypeError(`${name} is no object`);
  }
  const { currentRound, totalRounds } = model;
  for (const round of [startRound, currentRound, totalRounds]) {
    if (round !== undefined && !(Number.isInteger(round) && round >= 0)) {
      throw new RangeError(`rounds are integers from 0, not ${round}`);
    }
  }
  return { ...model, ...(params && { paramsType: paramsType ?? 'FULL' }), startRound, meta };
};

const isRecord = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The tensors of a result under the names they travel by, and which of them are what. */
const setsOf = (
  { params, optimizerParams, paramsType }: FLModel,
  { sets: given = new Map() }: Content,
): { tensors: Tensors; sets: FLModelHeader['sets'] } => {
  const named = new Map<string, TensorSet>(given);
  if (optimizerParams) named.set('optimizer', { kind: 'OTHER', tensors: optimizerParams });
  if (named.size === 0) return { tensors: params ?? new Map(), sets: undefined };
  const sets: NonNullable<FLModelHeader['sets']> = {};
  const tensors: Tensors = new Map(params);
  if (params)
    sets['params'] = { kind: paramsType === 'DIFF' ? 'WEIGHT_DIFF' : 'WEIGHTS', prefix: '' };
  for (const [name, set] of named) {
    const prefix = `${name}/`;
    sets[name] = { kind: set.kind, prefix };
    for (const [key, tensor] of set.tensors) tensors.set(prefix + key, tensor);
  }
  return { tensors, sets };
};

/** A result before it is written: what filters see and change of it, and the rest. */
export interface Packed {
  readonly kind: DataKind;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly data?: unknown;
  /** Under the names that they travel by. */
  readonly tensors: Tensors;
  /** The text of `__metadata__.quantization`, where they are quantised. */
  readonly quantization?: string | undefined;
  readonly model: FLModel;
  readonly content: Content;
  readonly sets: FLModelHeader['sets'];
}

/** A result's parts. Throws as `checkedModel` does, and TypeError where nothing is said. */
export const packed = (given: FLModel, content: Content = {}): Packed => {
  const model = checkedModel(given);
  const { params, metrics, paramsType, meta = {} } = model;
  if (!params && !metrics && Object.keys(content).length === 0) {
    throw new TypeError('a result needs params or metrics');
  }
  const told = content.dataKind ?? (metrics ? 'METRICS' : 'APP_DEFINED');
  const kind = paramsType ? kindOf(paramsType) : told;
  return { kind, meta, data: content.data, ...setsOf(model, content), model, content };
};

/**
 * The wire form of a successful result. Throws TaskError EXECUTION_RESULT_ERROR where metrics and meta are more than the
 * server takes.
 */
export const encodePacked = (result: Packed): EncodedResult => {
  const { kind, meta, data, tensors, quantization, model, content } = result;
  const { params, metrics, currentRound, totalRounds } = model;
  const sets = result.sets && { ...result.sets };
  if (sets?.['params'] && (kind === 'WEIGHTS' || kind === 'WEIGHT_DIFF')) {
    sets['params'] = { kind, prefix: '' };
  }
  const header: FLModelHeader = {
    ...(params && { params_type: kind === 'WEIGHT_DIFF' ? 'DIFF' : 'FULL' }),
    ...(metrics && { metrics: { ...metrics } }),
    ...(Object.keys(meta).length > 0 && { meta: { ...meta } }),
    ...(currentRound !== undefined && { current_round: currentRound }),
    ...(totalRounds !== undefined && { total_rounds: totalRounds }),
    ...(sets && { sets }),
    ...saidBy({ ...content, ...(content.dataKind && { dataKind: kind }), data }),
    return_code: 'OK',
  };
  const said = json(header);
  if (said.length > LIMITS.replyJsonBytes) {
    const why = `metrics and meta take ${said.length} bytes, at most ${LIMITS.replyJsonBytes}`;
    throw new TaskError('EXECUTION_RESULT_ERROR', why);
  }
  if (tensors.size === 0 && !params) {
    return { contentType: 'application/json', parts: [said], returnCode: 'OK' };
  }
  const metadata = new Map([[FL_MODEL_KEY, JSON.stringify(header)]]);
  if (quantization !== undefined) metadata.set(QUANTIZATION_KEY, quantization);
  return {
    contentType: 'application/x-safetensors',
    parts: encodeParts(tensors, metadata) as Uint8Array<ArrayBuffer>[],
    returnCode: 'OK',
  };
};

/** Both at once: a result that no filter sees. */
export const encodeResult = (given: FLModel, content?: Content): EncodedResult =>
  encodePacked(packed(given, content));

/** Fields of a header that no FLModel has. */
const saidBy = ({ dataKind, data, headers, peerProps }: Content = {}): Partial<FLModelHeader> => ({
  ...(dataKind && { data_kind: dataKind }),
  ...(data !== undefined && { data }),
  ...(headers && { headers: { ...headers } }),
  ...(peerProps && { peer_props: { ...peerProps } }),
});

/** The wire form of a failure: FLARE's make_reply(rc). */
export const encodeFailure = (
  returnCode: Exclude<ReturnCode, 'OK'>,
  meta: Readonly<Record<string, unknown>> = {},
  content?: Content,
): EncodedResult => {
  const header: FLModelHeader = { return_code: returnCode, meta, ...saidBy(content) };
  const said = json(header);
  const short = said.length <= LIMITS.replyJsonBytes ? said : json({ return_code: returnCode });
  return { contentType: 'application/json', parts: [short], returnCode };
};
