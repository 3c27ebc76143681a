// Advances a job's workflows; the only caller of workflows. Its part of the invariants (the rest heads job-object.ts):
//  3. An op is settled once; its row precedes its effect on the generator, which only ever sees what the journal says.
//  4. Replay compares the whole op, not its name; a mismatch suspends the job with the reason.
//  5. A fault in a workflow rolls back only its savepoint: the reply is kept, the job is suspended, the next turn (or
//     `resume`) tries again.
//  8. A job pins {workflow, version}; upgrades only between rounds.
import * as v from 'valibot';
import { EVENT_KINDS } from '../../core/protocol/event.ts';
import { matchesAny } from '../../core/protocol/glob.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import type { Json, JsonObject } from '../../core/protocol/json.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { Op, TaskRequest } from '../../core/workflows/ops.ts';
import type { Workflow } from '../../core/workflows/workflow.ts';
import type { DataFilter } from '../filtering/data-filter.ts';
import type { EventLog } from '../state/event-log.ts';
import type { JobRecord, JobRow } from '../state/job-record.ts';
import type { Journal } from './journal.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { ModelStore } from '../models/model-store.ts';
import type { Retention } from './retention.ts';
import { choose } from './sampling.ts';
import type { Sites } from '../state/sites.ts';
import { isStorageFault } from '../bytes/storage-fault.ts';
import type { TaskBoard } from '../tasks/task-board.ts';
import type { Turn } from '../state/turn.ts';
import type { WorkflowResults } from './workflow-results.ts';

interface Parts {
  readonly storage: DurableObjectStorage;
  readonly record: JobRecord;
  readonly journal: Journal;
  readonly board: TaskBoard;
  readonly models: ModelStore;
  readonly filter: DataFilter;
  readonly sites: Sites;
  readonly events: EventLog;
  readonly lifecycle: Lifecycle;
  readonly retention: Retention;
  readonly results: WorkflowResults;
  readonly workflows: Readonly<Record<string, Workflow>>;
}

/** An op that isn't settled yet: the round waits. */
const PENDING = Symbol('pending');
/** An op that takes more than one turn. */
const MAKING = Symbol('making');
/** An op that ended the job. */
const ENDED = Symbol('ended');

/** How a stretch of a round ended. `making`: the next turn goes on with what its task is to bring. */
type Halt = 'parked' | 'making' | 'ended' | 'again' | 'next';

export class Conductor {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Goes on as far as it can: until a round waits for a task, or the job ends. -> whether anything was done. Never throws
   * because of a workflow.
   */
  advance(turn: Turn): boolean {
    const { storage, record, board, lifecycle } = this.#parts;
    const job = record.read();
    const faulty = job.status === 'SUSPENDED' && job.cause === 'fault';
    if (job.status !== 'RUNNING' && !faulty) return false;
    if (job.parked !== null && !board.isClosed(job.parked)) return false;
    const woken = new Map(turn.woken);
    try {
      return storage.transactionSync(() => {
        const halt = this.#run(turn);
        if (faulty) lifecycle.become('RUNNING', turn.now);
        return halt !== 'making';
      });
    } catch (error) {
      if (isStorageFault(error)) throw error;
      turn.woken.clear();
      for (const [site, task] of woken) turn.woken.set(site, task);
      lifecycle.suspend(reasonOf(error, job, record.spec()), 'fault', turn.now);
      return false;
    }
  }

  /**
   * Begins the current round anew, from the state before it: what it had asked of sites is cancelled. For a round whose task
   * nobody is left to do, which would otherwise wait for ever: who has joined since is in the next sample.
   */
  restart(now: number): void {
    const { record, journal, board } = this.#parts;
    board.cancel('no site is left to ask: the round begins anew', now);
    journal.clear();
    record.set({ parked: null });
  }

  #run(turn: Turn): Halt {
    for (let passed = 0; passed < LIMITS.roundsPerTurn; passed++) {
      const halt = this.#round(turn);
      if (halt !== 'again' && halt !== 'next') return halt;
    }
    throw new Error(`${LIMITS.roundsPerTurn} rounds passed without waiting for anything`);
  }

  /** Runs the current round from its start over the journal, and on to where it waits or ends. */
  #round(turn: Turn): Halt {
    const { record, journal, board } = this.#parts;
    const job = record.read();
    const spec = record.spec();
    const { workflow, params, state } = this.#begin(job, spec, turn);
    const flow = workflow.round(params, state);
    let reply: unknown;
    for (let seq = 0; ; seq++) {
      const step = flow.next(reply);
      if (step.done) {
        if (journal.size() !== seq)
          throw new Error(`op ${seq}: the journal goes on, the round has ended`);
        journal.clear();
        return step.value.kind === 'again'
          ? this.#again(step.value.state, workflow, params, turn)
          : this.#next(step.value.result, spec, turn);
      }
      const op = step.value;
      const asked = JSON.stringify(op);
      const seen = journal.entry(seq);
      if (seen && seen.op !== asked) {
        throw new Error(
          `op ${seq}: the journal has ${cut(seen.op)}, the workflow asks for ${cut(asked)}`,
        );
      }
      if (!seen) {
        const value = this.#perform(op, spec, turn);
        if (value === PENDING) {
          record.set({ parked: (op as Extract<Op, { op: 'await' }>).task });
          return 'parked';
        }
        if (value === MAKING) return 'making';
        if (value === ENDED) return 'ended';
        journal.append(seq, op, asked, value);
      }
      reply =
        op.op === 'await'
          ? board.outcome(op.task)
          : JSON.parse(journal.entry(seq)?.value ?? 'null');
    }
  }

  /** The workflow at work, its args and state; starts it where it hasn't started. */
  #begin(
    job: JobRow,
    spec: JobSpec,
    turn: Turn,
  ): { workflow: Workflow; params: unknown; state: Json } {
    const { record, journal, models, workflows } = this.#parts;
    const use = spec.workflows[job.position];
    if (!use) throw new Error(`the job has no workflow ${job.position}`);
    const workflow = Object.hasOwn(workflows, use.use) ? workflows[use.use] : undefined;
    if (!workflow) throw new Error(`no workflow is called ${use.use}`);
    const args = v.safeParse(workflow.args, use.args);
    if (!args.success)
      throw new Error(`args of ${use.id}: ${args.issues.map((i) => i.message).join('; ')}`);
    const params = args.output;
    record.set({ parked: null });
    if (job.state === null) {
      const state = workflow.start(params, { model: models.byName('global') });
      this.#store(state, workflow, params, turn);
      return { workflow, params, state };
    }
    let state = JSON.parse(job.state) as Json;
    if (job.pinned !== null && job.pinned !== workflow.version) {
      const versions = `version ${job.pinned} of ${workflow.name} is pinned, this server has ${workflow.version}`;
      if (journal.size() > 0) throw new Error(`${versions}: it changes only between rounds`);
      if (!workflow.upgrade) throw new Error(`${versions}, which can't take over its state`);
      state = workflow.upgrade(state, job.pinned);
      record.set({ state: JSON.stringify(state), pinned: workflow.version });
    }
    return { workflow, params, state };
  }

  /** Stores the state between rounds: all that a later version must understand. */
  #store(state: Json, workflow: Workflow, params: unknown, turn: Turn): void {
    const { record, events } = this.#parts;
    const text = JSON.stringify(state);
    if (Buffer.byteLength(text) > LIMITS.journalValueBytes) {
      throw new RangeError(
        `a state of ${text.length} characters; at most ${LIMITS.journalValueBytes} bytes`,
      );
    }
    const round = workflow.roundOf(state);
    const rounds = workflow.totalRounds(params);
    record.set({ state: text, pinned: workflow.version, round, rounds });
    const { position } = record.read();
    const id = record.spec().workflows[position]?.id;
    events.append(
      'round',
      { state: 'started', workflow: id, round, totalRounds: rounds },
      turn.now,
    );
  }

  #again(state: Json, workflow: Workflow, params: unknown, turn: Turn): Halt {
    this.#store(state, workflow, params, turn);
    this.#parts.retention.retire(turn.now);
    return 'again';
  }

  /** The workflow is done: its result is kept, and the next one begins; after the last the job is complete. */
  #next(result: Json, spec: JobSpec, turn: Turn): Halt {
    const { record, results, lifecycle, retention } = this.#parts;
    const { position } = record.read();
    const { id } = spec.workflows[position] as JobSpec['workflows'][number];
    const refusal = results.put(position, id, result);
    if (refusal !== null) {
      // The replies are frozen: to try again would come to the same each time.
      lifecycle.finish('FINISHED:ABNORMAL', `${id}: ${refusal}`, turn.now);
      return 'ended';
    }
    if (position + 1 === spec.workflows.length) {
      lifecycle.finish('FINISHED:COMPLETED', null, turn.now);
      return 'ended';
    }
    record.set({ position: position + 1, state: null, pinned: null, round: null, rounds: null });
    retention.retire(turn.now);
    return 'next';
  }

  /** Does what an op asks. -> its value */
  #perform(op: Op, spec: JobSpec, turn: Turn): unknown {
    const { record, board, models, sites, lifecycle } = this.#parts;
    const { position, round } = record.read();
    switch (op.op) {
      case 'sample': {
        const names = sites.joined().filter((site) => matchesAny(op.clients ?? ['@all'], site));
        const salt = `${position}\n${round}`;
        return choose(names, op.count ?? names.length, { seed: spec.seed, salt });
      }
      case 'start':
        return this.#start(op.task, spec.workflows[position]?.id ?? '', turn);
      case 'await':
        return board.isClosed(op.task) ? null : PENDING;
      case 'load':
        return models.byName(op.name);
      case 'save':
        models.setName(op.name, op.model);
        return null;
      case 'event':
        this.#tell(op, spec.workflows[position]?.id, turn);
        return null;
      case 'panic':
        break;
    }
    lifecycle.finish('FINISHED:EXECUTION_EXCEPTION', op.reason, turn.now);
    return ENDED;
  }

  /** Opens a task, once what the filters at the server make of its model is there. */
  #start(task: TaskRequest, workflow: string, turn: Turn): unknown {
    const { board, filter, lifecycle } = this.#parts;
    const sent = filter.outgoing(task);
    if (sent.state === 'more') return MAKING;
    if (sent.state === 'done') return board.open(task, workflow, sent.model, turn);
    const reason = `${task.name}: TASK_DATA_FILTER_ERROR: ${sent.reason}`;
    lifecycle.finish('FINISHED:EXECUTION_EXCEPTION', reason, turn.now);
    return ENDED;
  }

  /** A workflow's event: under its own kind if that is one of the stream's, else as a log line with its type. */
  #tell(
    { type, data }: Extract<Op, { op: 'event' }>,
    workflow: string | undefined,
    { now }: Turn,
  ): void {
    const kind = EVENT_KINDS.find((known) => known === type);
    const fields = isObject(data) ? data : { value: data };
    this.#parts.events.append(
      kind ?? 'log',
      { workflow, ...(kind ? {} : { type }), ...fields },
      now,
    );
  }
}

const isObject = (data: Json): data is JsonObject =>
  typeof data === 'object' && data !== null && !Array.isArray(data);

const SHOWN = 500;
const cut = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** A fault as a person reads it in the job's reason. */
const reasonOf = (error: unknown, job: JobRow, spec: JobSpec): string => {
  const what = error instanceof Error ? error.message : String(error);
  const { id } = spec.workflows[job.position] ?? { id: `workflow ${job.position}` };
  return cut(`${id}${job.round === null ? '' : `, round ${job.round}`}: ${what}`);
};
