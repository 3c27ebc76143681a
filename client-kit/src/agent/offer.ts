import type { Content, Log } from '../assignment.ts';
import type { FLModel } from '../fl-model.ts';
import type { TaskError } from '../task-error.ts';
import type { Tensors } from '../../../core/tensors/tensor.ts';
import type { TaskHead } from './protocol.ts';

/** How long a site is patient, in milliseconds. */
export interface Patience {
  /** An agent that has the task and says nothing for this long is gone, and the task failed. */
  readonly heartbeatTimeout: number;
  /** How long a task waits for an agent. One that is there and busy counts as there. */
  readonly peerReadTimeout: number;
  /** How long a task may take in all. */
  readonly taskWaitTime: number;
}

/** A task on offer to an agent. */
export interface Offer {
  readonly head: TaskHead;
  readonly params: Tensors | undefined;
  readonly patience: Patience;
  readonly log: Log;
  /** Makes a result outlive the site's process; the agent is told that it was accepted only then. */
  readonly keep: (reply: Reply) => Promise<void>;
}

/** An agent's answer to a task. */
export interface Reply {
  /** FLModelHeader, as it came. */
  readonly header: Readonly<Record<string, unknown>>;
  readonly model: FLModel | TaskError;
  /** What it says that an FLModel has no field for. */
  readonly content?: Content;
}

/** An offer between its making and its answer. */
export interface OpenOffer {
  readonly offer: Offer;
  readonly at: number;
  /** Hand-overs to an agent; a new session is a new attempt. */
  attempt: number;
  /** When an agent last took it. */
  taken: number | undefined;
  /** Under way to the store. */
  keeping: Promise<void> | undefined;
  readonly settle: (reply: Reply | TaskError) => void;
  /** Looks whether it is due, and again when it will be. */
  readonly watch: () => void;
}

/** When an offer has waited for long enough, and what to say then. `heard`: when the agent last spoke. */
export const dueOf = (
  { offer: { patience }, at, taken }: OpenOffer,
  heard: number,
): { at: number; why: string } => {
  const limit = taken === undefined ? patience.peerReadTimeout : patience.heartbeatTimeout;
  const gone = Math.max(at, taken ?? 0, heard) + limit;
  const late = at + patience.taskWaitTime;
  if (late < gone)
    return { at: late, why: `the agent took more than ${patience.taskWaitTime / 1000} s` };
  const state = taken === undefined ? 'no agent came' : 'the agent is gone: it was silent';
  return { at: gone, why: `${state} for ${limit / 1000} s` };
};
