import { APP_DEFAULTS } from '../../../core/protocol/executors.ts';
import type { AppArgs } from '../../../core/protocol/executors.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type { Assignment, ExecutorKind, Resources } from '../assignment.ts';
import type { FLModel } from '../fl-model.ts';
import { orAborted } from '../turnstile.ts';

/** What the site's own code is given: the task, its model, and the job's `args` for it. */
export interface AppTask extends Assignment {
  readonly args: AppArgs;
  readonly resources: Resources;
}

/** The site's own code. It may throw TaskError to answer with a return code. */
export type App = (task: AppTask) => Promise<FLModel> | FLModel;

/** `app`: code that the site registered itself. Never exclusive: it may wait for a person, or for another machine. */
export const app = (code: App): ExecutorKind =>
  lending((task) => code({ ...task, ...(task.params && { params: copyOf(task.params) }) }));

/** As `app`; but the code copies what it wants to change. */
export const lending = (code: App): ExecutorKind => ({
  exclusive: false,
  make: (given, resources) => {
    const args: AppArgs = { ...APP_DEFAULTS, ...given };
    return {
      execute: async (assignment) => {
        const answer = (async () => code({ ...assignment, args, resources }))();
        const model = await orAborted(answer, assignment.signal);
        return { model, transferType: args.transferType };
      },
    };
  },
});

/** For code that trains in place, as most does. */
export const copyOf = (params: Tensors): Tensors =>
  new Map(Array.from(params, ([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() }]));
