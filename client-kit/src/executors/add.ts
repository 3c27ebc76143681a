import { ADD_DEFAULTS } from '../../../core/protocol/executors.ts';
import type { AddArgs } from '../../../core/protocol/executors.ts';
import { fromFloat64, toFloat64 } from '../../../core/tensors/elements.ts';
import { decode, encodeParts } from '../../../core/tensors/safetensors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type { Assignment, Execution, ExecutorKind, Resources } from '../assignment.ts';
import { TaskError } from '../task-error.ts';

const OWN = 'own/last';

/** FLARE's NPTrainer and NPValidator (hello-numpy): adds `delta` to every element; its metric is their mean. */
export const add: ExecutorKind = {
  exclusive: false,
  make: (given, { store }: Resources) => {
    const args: AddArgs = { ...ADD_DEFAULTS, ...given };
    const train = async (params: Tensors, round: number): Promise<Execution> => {
      const trained: Tensors = new Map();
      for (const [name, tensor] of params) {
        const values = toFloat64(tensor.dtype, tensor.data).map((value) => value + args.delta);
        trained.set(name, { ...tensor, data: fromFloat64(tensor.dtype, values) });
      }
      await store.write(OWN, encodeParts(trained) as Uint8Array<ArrayBuffer>[]);
      return {
        model: {
          params: trained,
          metrics: meanOf(params),
          currentRound: round,
          meta: { NUM_STEPS_CURRENT_ROUND: args.steps },
        },
        transferType: args.transferType,
      };
    };
    return {
      execute: async ({ task, params }: Assignment): Promise<Execution> => {
        if (task.name === 'submit_model') {
          const own = await store.read(OWN);
          if (!own) throw new TaskError('EMPTY_RESULT', 'this site has not trained in this job');
          const decoded = decode(new Uint8Array(await own.arrayBuffer()));
          if (!decoded.ok) throw new TaskError('EMPTY_RESULT', 'its model can not be read');
          return { model: { params: decoded.value.tensors } };
        }
        if (!params) throw new TaskError('BAD_TASK_DATA', 'the task brings no model');
        if (task.name === 'train') return train(params, task.round);
        if (task.name === 'validate') return { model: { metrics: meanOf(params) } };
        throw new TaskError('TASK_UNSUPPORTED', `add does not do '${task.name}'`);
      },
    };
  },
};

const meanOf = (params: Tensors): { weight_mean: { sum: number; count: number } } => {
  let sum = 0;
  let count = 0;
  for (const { dtype, data } of params.values()) {
    for (const value of toFloat64(dtype, data)) sum += value;
    count += data.length;
  }
  return { weight_mean: { sum, count } };
};
