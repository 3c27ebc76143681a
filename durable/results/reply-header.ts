import * as v from 'valibot';
import type { Fault } from '../../core/protocol/fault.ts';
import { fieldErrors } from '../../core/protocol/field-errors.ts';
import { FLModelHeader } from '../../core/protocol/fl-model.ts';
import type { ParamsType } from '../../core/protocol/fl-model.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import { invalid } from '../http/content-fault.ts';

/** What an open task takes as its result. */
export interface ResultRule {
  readonly tensors: 'required' | 'forbidden';
  readonly paramsType: ParamsType | 'ANY';
  /** Digest of the job's model whose layout the tensors must match. */
  readonly layoutOf: string | null;
  /** Whether tensors may be missing. */
  readonly partial: boolean;
  readonly maxBytes: number;
}

/** Reads the JSON of a result; `path` is where it lies, for the errors. */
export const parseReplyHeader = (text: string, path: string): Result<FLModelHeader, Fault> => {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > LIMITS.replyJsonBytes) {
    const [expected, got] = [`at most ${LIMITS.replyJsonBytes} bytes`, `${bytes}`];
    return err(invalid('INVALID_RESULT', 'the result says too much', { path, expected, got }));
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err({ reason: 'malformed', detail: `${path || 'the body'} is not JSON` });
  }
  const parsed = v.safeParse(FLModelHeader, json);
  if (parsed.success) return ok(parsed.output);
  const errors = fieldErrors(parsed.issues, path);
  return err(invalid('INVALID_RESULT', 'the result is not an FLModel', ...errors));
};

/** Whether a result reports a failure: it needs no tensors then, and any it brings are dropped. */
export const failed = ({ return_code }: FLModelHeader): boolean => (return_code ?? 'OK') !== 'OK';

/**
 * Checks what a result says against the task. With tensors, `params_type` is FULL unless given (as FLARE's FLModel), and
 * the header comes back with it.
 */
export const checkReply = (
  header: FLModelHeader,
  rule: ResultRule,
  hasTensors: boolean,
): Result<FLModelHeader, Fault> => {
  if (failed(header)) return ok(header);
  const refuse = (code: string, path: string, expected: string, got: string) =>
    err(
      invalid(code, `${path || 'the result'}: expected ${expected}, got ${got}`, {
        path,
        expected,
        got,
      }),
    );
  if (!hasTensors) {
    if (rule.tensors === 'required') return refuse('NO_TENSORS', '', 'tensors', 'none');
    return ok(header);
  }
  if (rule.tensors === 'forbidden') {
    return refuse('UNEXPECTED_TENSORS', '', 'no tensors: this task asks for metrics', 'tensors');
  }
  const type = header.params_type ?? 'FULL';
  if (rule.paramsType !== 'ANY' && type !== rule.paramsType) {
    return refuse('WRONG_PARAMS_TYPE', 'params_type', rule.paramsType, type);
  }
  const kind = type === 'FULL' ? 'WEIGHTS' : 'WEIGHT_DIFF';
  for (const [name, set] of Object.entries(header.sets ?? {})) {
    if (name !== 'params') return refuse('UNKNOWN_SET', `sets.${name}`, 'the set params', name);
    if (set.kind !== kind) return refuse('WRONG_SET', 'sets.params.kind', kind, set.kind);
    if (set.prefix !== '')
      return refuse('WRONG_SET', 'sets.params.prefix', 'no prefix', set.prefix);
  }
  return ok({ ...header, params_type: type });
};
