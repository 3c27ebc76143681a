import { FL_MODEL_KEY, QUANTIZATION_KEY } from '../../core/protocol/fl-model.ts';
import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import { decode, encodeParts } from '../../core/tensors/safetensors.ts';
import type { EncodedResult } from './fl-model.ts';
import { convertParams } from './params.ts';
import { TaskError } from './task-error.ts';

/**
 * A result in the other params_type, FULL for DIFF or DIFF for FULL, against the model that it was made from; all else
 * stays. Both as safetensors files. Throws TaskError where either isn't one or they don't match.
 */
export const recast = (
  result: Uint8Array<ArrayBuffer>,
  received: Uint8Array<ArrayBuffer>,
): EncodedResult => {
  const { tensors, metadata } = opened(result);
  const header = JSON.parse(metadata.get(FL_MODEL_KEY) ?? '{}') as FLModelHeader;
  const from = header.params_type ?? 'FULL';
  const to = from === 'FULL' ? 'DIFF' : 'FULL';
  const params = convertParams(tensors, from, to, opened(received).tensors);
  const renamed: FLModelHeader = { ...header, params_type: to };
  return {
    contentType: 'application/x-safetensors',
    parts: encodeParts(
      params,
      new Map([[FL_MODEL_KEY, JSON.stringify(renamed)]]),
    ) as Uint8Array<ArrayBuffer>[],
    returnCode: 'OK',
  };
};

const opened = (file: Uint8Array<ArrayBuffer>) => {
  const decoded = decode(file);
  const odd = decoded.ok
    ? decoded.value.metadata.has(QUANTIZATION_KEY) && 'it is quantised'
    : decoded.error.reason;
  if (decoded.ok && odd === false) return decoded.value;
  throw new TaskError('EXECUTION_RESULT_ERROR', `can not be converted: ${odd}`);
};
