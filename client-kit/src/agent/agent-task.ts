import type { FLModel } from '../fl-model.ts';
import type { Message } from './message.ts';
import type { TaskHead } from './protocol.ts';

/** A task as an agent has it: FLARE's Task(task_name, task_id, data). */
export class AgentTask {
  /** What the site said of it. */
  readonly head: TaskHead & { readonly attempt: number };
  /** The task's model, FULL; without params where it brings none (`submit_model`). */
  readonly model: FLModel;
  readonly #over = new AbortController();
  readonly #finished = new AbortController();

  constructor({ head, tensors }: Message) {
    this.head = head as unknown as AgentTask['head'];
    const { round, totalRounds, data } = this.head;
    this.model = {
      ...(tensors && { params: tensors, paramsType: 'FULL' as const }),
      startRound: 0,
      currentRound: round,
      totalRounds,
      meta: data,
    };
  }

  get taskName(): string {
    return this.head.name;
  }

  get taskId(): string {
    return this.head.task;
  }

  get jobId(): string {
    return this.head.job;
  }

  get attempt(): number {
    return this.head.attempt;
  }

  /** Aborts when the job or the task is over: stop soon, a result is not wanted any more. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Aborts when the task has its result. */
  get finished(): AbortSignal {
    return this.#finished.signal;
  }

  abort(reason: string): void {
    this.#over.abort(new Error(reason));
  }

  finish(): void {
    this.#finished.abort(new Error('the task is done'));
  }
}
