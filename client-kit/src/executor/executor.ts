import { FLContextKey } from '../../../core/protocol/fl-context.ts';
import type { FLContext } from '../../../core/protocol/fl-context.ts';
import { Shareable } from '../../../core/protocol/shareable.ts';
import type { ExecutorKind } from '../assignment.ts';
import { TaskError } from '../task-error.ts';
import { orAborted } from '../turnstile.ts';
import { FLComponent } from './component.ts';
import { components, Engine } from './engine.ts';
import { executionOf, ownTensors } from './task-shareable.ts';

/**
 * Does any kind of task: FLARE's Executor (nvflare/apis/executor.py). It hears of the run's events too.
 *
 *     class Histogram extends Executor {
 *       async execute(taskName, shareable, context, abortSignal) {
 *         return new DXO('STATISTICS', { counts: await count() }).toShareable();
 *       }
 *     }
 *     await runSite({ ..., app: executor(() => new Histogram()) });
 */
export abstract class Executor extends FLComponent {
  /**
   * Answers with a Shareable, with a return code where there is nothing else to say (`makeReply`). May throw TaskError for
   * that; anything else thrown is EXECUTION_EXCEPTION, and its text stays here. When `abortSignal` aborts, the
   * answer isn't waited for.
   */
  abstract execute(
    taskName: string,
    shareable: Shareable,
    context: FLContext,
    abortSignal: AbortSignal,
  ): Shareable | Promise<Shareable>;
}

/** What an executor is made with: once a job. */
export interface ExecutorParts {
  /** The args that the job gives this executor. */
  readonly args: Readonly<Record<string, unknown>>;
  readonly site: string;
}

/**
 * An Executor for `runSite({ app })`, where the job says `use: 'app'`, or for `runSite({ executors })` under a name. It
 * may wait for a person or another machine: others aren't kept waiting for it.
 */
export const executor = (make: (parts: ExecutorParts) => Executor): ExecutorKind => ({
  exclusive: false,
  run: components(),
  make: (args, { site }) => {
    const made = make({ args, site });
    return {
      handler: made,
      execute: async ({ task, run, signal }) => {
        if (!(run instanceof Engine)) throw new Error('components() of another copy of the kit');
        const { context } = run;
        const data = context.getProp(FLContextKey.TASK_DATA, new Shareable());
        ownTensors(data);
        const aborting = AbortSignal.any([signal, run.signal]);
        const work = async (): Promise<Shareable> =>
          made.execute(task.name, data, context, aborting);
        const reply = await orAborted(work(), signal);
        if (run.signal.aborted) throw new TaskError('EXECUTION_EXCEPTION', 'the site has panicked');
        if (!(reply instanceof Shareable)) {
          const why = `${made.name} must give a Shareable, not ${typeof reply}`;
          throw new TaskError('EXECUTION_RESULT_ERROR', why);
        }
        // A code other than OK is an answer too: it goes its way past the handlers before it is said.
        if (reply.getReturnCode() !== 'OK') return { model: {}, shareable: reply };
        const { transferType } = args;
        const type = transferType === 'DIFF' || transferType === 'FULL' ? { transferType } : {};
        return { ...executionOf(reply), ...(type as { transferType?: 'DIFF' | 'FULL' }) };
      },
    };
  },
});
