import { DXO } from '../../../core/protocol/dxo.ts';
import { HeaderKey, Shareable } from '../../../core/protocol/shareable.ts';
import type { Task } from '../../../core/protocol/task.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type { Content, Execution, TensorSet } from '../assignment.ts';
import { copyOf } from '../executors/app.ts';
import { TaskError } from '../task-error.ts';
import { fromShareable, toShareable } from './fl-model-form.ts';

/** Headers that a result has other words for, or that the server knows. */
const SAID: ReadonlySet<string> = new Set([
  HeaderKey.RC,
  HeaderKey.CONTENT_TYPE,
  HeaderKey.PEER_PROPS,
  HeaderKey.TASK_NAME,
  HeaderKey.TASK_ID,
  HeaderKey.WORKFLOW,
  HeaderKey.START_ROUND,
  HeaderKey.CURRENT_ROUND,
  HeaderKey.NUM_ROUNDS,
]);
/** FLARE's ReservedHeaderKey.ERROR: why a reply is none. */
const ERROR = '__error__';

/** A task as an Executor gets it: its model as WEIGHTS with the task's data as meta, or its data alone as APP_DEFINED. */
export const taskShareable = (task: Task, params: Tensors | undefined): Shareable => {
  const { data, headers = {} } = task;
  const dxo = params ? new DXO('WEIGHTS', params, data) : new DXO('APP_DEFINED', data);
  const shareable = dxo.toShareable();
  for (const [key, value] of Object.entries(headers)) shareable.setHeader(key, value);
  shareable.setHeader(HeaderKey.TASK_NAME, task.name);
  shareable.setHeader(HeaderKey.TASK_ID, task.id);
  shareable.setHeader(HeaderKey.WORKFLOW, task.workflow);
  shareable.setHeader(HeaderKey.CURRENT_ROUND, task.round);
  shareable.setHeader(HeaderKey.NUM_ROUNDS, task.totalRounds);
  if ('owner' in data) shareable.setHeader(HeaderKey.MODEL_OWNER, data['owner']);
  if (task.name === 'submit_model') {
    shareable.setHeader(HeaderKey.SUBMIT_MODEL_NAME, data['name'] ?? 'last');
  }
  return shareable;
};

/** Gives the executor tensors of its own, as most train in place: a DIFF is against those that came. */
export const ownTensors = (shareable: Shareable): void => {
  const dxo = DXO.fromShareable(shareable);
  if (!dxo.is('WEIGHTS')) return;
  dxo.data = copyOf(dxo.data);
  dxo.updateShareable(shareable);
};

/** What an executor gave back, as handlers see it. */
export const replyOf = ({ shareable, model }: Execution): Shareable => {
  if (shareable) return shareable;
  return model.params || model.metrics ? toShareable(model) : new Shareable();
};

/** An Executor's answer as the kit sends it. Throws TaskError with its return code where that isn't OK. */
export const executionOf = (reply: Shareable): Execution => {
  const code = reply.getReturnCode();
  if (code !== 'OK') {
    throw new TaskError(code, reply.getHeader(ERROR, `the executor answers ${code}`));
  }
  const headers = Object.fromEntries([...reply.headers].filter(([key]) => !SAID.has(key)));
  const more = Object.keys(headers).length > 0 ? { headers } : {};
  if (reply.size === 0) return { shareable: reply, model: {}, content: more };
  if (reply.getHeader(HeaderKey.CONTENT_TYPE) !== 'DXO') {
    const data = Object.fromEntries(reply);
    return { shareable: reply, model: {}, content: { ...more, dataKind: 'APP_DEFINED', data } };
  }
  const dxo = DXO.fromShareable(reply);
  const content = contentOf(dxo);
  if (!content) return { shareable: reply, model: fromShareable(reply), content: more };
  const { meta } = dxo;
  return { shareable: reply, model: { meta }, content: { ...more, ...content } };
};

/** Of what is no model. */
const contentOf = (dxo: DXO): Content | undefined => {
  const { dataKind } = dxo;
  if (dxo.is('WEIGHTS') || dxo.is('WEIGHT_DIFF') || dxo.is('METRICS') || dxo.is('FL_MODEL')) {
    return undefined;
  }
  if (!dxo.is('COLLECTION')) {
    const set = setOf(dxo);
    return set ? { dataKind, sets: new Map([['data', set]]) } : { dataKind, data: dxo.data };
  }
  const sets = new Map<string, TensorSet>();
  const data: Record<string, unknown> = {};
  for (const [name, each] of dxo.data) {
    if (each.is('COLLECTION')) {
      throw new TaskError('EXECUTION_RESULT_ERROR', `'${name}': a collection in a collection`);
    }
    const set = setOf(each);
    if (set) sets.set(name, set);
    const { dataKind: kind, meta } = each;
    data[name] = { kind, meta, ...(!set && { data: each.data }) };
  }
  return { dataKind, data, sets };
};

const setOf = (dxo: DXO): TensorSet | undefined => {
  if (dxo.is('WEIGHTS')) return { kind: 'WEIGHTS', tensors: dxo.data };
  if (dxo.is('WEIGHT_DIFF')) return { kind: 'WEIGHT_DIFF', tensors: dxo.data };
  // Of APP_DEFINED, whoever put a Map there meant tensors: nothing else in a Map would travel.
  const { data }: { data: unknown } = dxo;
  return data instanceof Map ? { kind: 'OTHER', tensors: data as Tensors } : undefined;
};
