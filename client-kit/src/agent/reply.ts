import * as v from 'valibot';
import { FLModelHeader } from '../../../core/protocol/fl-model.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type { FLModel } from '../fl-model.ts';
import { TaskError } from '../task-error.ts';
import { MessageError } from './message.ts';
import type { Reply } from './offer.ts';

/**
 * What an agent's result says, as the kit has it: a model, or the failure that it reports. Throws MessageError where it
 * says nothing.
 */
export const readReply = (given: unknown, tensors: Tensors | undefined): Reply => {
  const read = v.safeParse(FLModelHeader, given);
  if (!read.success) throw new MessageError(`fl_model: ${read.issues[0].message}`);
  const header = read.output;
  const { return_code: code = 'OK', params_type: paramsType, metrics, meta } = header;
  if (code !== 'OK') {
    const detail = meta?.['detail'];
    const said = typeof detail === 'string' ? detail : `the agent answered ${code}`;
    return { header, model: new TaskError(code, said) };
  }
  const params = tensors && tensors.size > 0 ? tensors : undefined;
  const { data_kind: dataKind, data } = header;
  if (!params && !metrics && !dataKind)
    throw new MessageError('a result needs tensors, metrics, or data and their data_kind');
  if (!params && paramsType) throw new MessageError('params_type without tensors');
  const model: FLModel = {
    ...(params && { params, paramsType: paramsType ?? 'FULL' }),
    ...(metrics && { metrics }),
    ...(meta && { meta }),
    ...(header.current_round !== undefined && { currentRound: header.current_round }),
    ...(header.total_rounds !== undefined && { totalRounds: header.total_rounds }),
  };
  return { header, model, ...(dataKind && { content: { dataKind, data } }) };
};

/** The other way: a model as an agent's `fl_model` and tensors. */
export const headerOf = ({ params, ...model }: FLModel): FLModelHeader => ({
  ...(params && { params_type: model.paramsType ?? 'FULL' }),
  ...(model.metrics && { metrics: { ...model.metrics } }),
  ...(model.meta && { meta: { ...model.meta } }),
  ...(model.currentRound !== undefined && { current_round: model.currentRound }),
  ...(model.totalRounds !== undefined && { total_rounds: model.totalRounds }),
});
