import type { Json } from '../protocol/json.ts';
import type { Op, Outcome, TaskReply, TaskRequest } from './ops.ts';
import type { Turn } from './workflow.ts';

/** What a scripted world says to the ops of a workflow. */
export interface World {
  /** Sites that have joined. */
  readonly sites: readonly string[];
  /** Outcome of a task. */
  readonly outcome: (task: TaskRequest) => Partial<Outcome>;
  readonly models?: Record<string, { digest: string; bytes: number }>;
}

export interface Played {
  readonly ops: readonly Op[];
  readonly tasks: readonly TaskRequest[];
  readonly models: Record<string, { digest: string; bytes: number }>;
  readonly end: Turn<Json> | { readonly kind: 'panic'; readonly reason: string };
}

const NOTHING: Outcome = { status: 'ok', model: null, metrics: {}, replies: [], missing: [] };

/** A model with a readable digest. */
export const ref = (name: string) => ({ digest: `sha256-${name}`, bytes: 1 });

export const reply = (site: string, part: Partial<TaskReply> = {}): TaskReply => ({
  site,
  returnCode: 'OK',
  metrics: {},
  meta: {},
  model: null,
  ...part,
});

/** Runs one round by answering its ops: all the infrastructure that a workflow needs. */
export function play(flow: Generator<Op, Turn<Json>, unknown>, world: World): Played {
  const ops: Op[] = [];
  const tasks: TaskRequest[] = [];
  const models = { ...world.models };
  let answer: unknown;
  for (;;) {
    const step = flow.next(answer);
    if (step.done) return { ops, tasks, models, end: step.value };
    // Ops are JSON through and through: the journal stores them.
    const op = JSON.parse(JSON.stringify(step.value)) as Op;
    ops.push(op);
    switch (op.op) {
      case 'sample':
        answer = world.sites;
        break;
      case 'start':
        tasks.push(op.task);
        answer = `t${tasks.length}`;
        break;
      case 'await': {
        const task = tasks[Number(op.task.slice(1)) - 1];
        if (!task) throw new RangeError(`no task ${op.task}`);
        answer = { ...NOTHING, ...world.outcome(task) };
        break;
      }
      case 'load':
        answer = models[op.name] ?? null;
        break;
      case 'save':
        models[op.name] = op.model;
        answer = null;
        break;
      case 'event':
        answer = null;
        break;
      case 'panic':
        return { ops, tasks, models, end: { kind: 'panic', reason: op.reason } };
    }
  }
}
