import { siteWeight } from '../../core/aggregators/weights.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type { LeaseAnswer } from '../../core/protocol/task.ts';
import { err, ok } from '../../core/tensors/result.ts';
import type { Result } from '../../core/tensors/result.ts';
import type { Assignments } from './assignments.ts';
import { invalid } from '../http/content-fault.ts';
import type { EventLog } from '../state/event-log.ts';
import type { JobRecord } from '../state/job-record.ts';
import type { ModelStore } from '../models/model-store.ts';
import type { Replies } from './replies.ts';
import type { ResultRule } from '../results/reply-header.ts';
import type { Received, ResultStore } from '../results/result-store.ts';
import type { BoardTask, TaskRows } from './task-rows.ts';
import { told } from './task-rows.ts';

type Staged = Extract<Received, { kind: 'staged' }>;
type Status = 'accepted' | 'duplicate' | 'late';

/** What becomes of a result before its body is read. */
export type Admission =
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'answer'; readonly status: 'duplicate' | 'late' }
  | { readonly kind: 'accept'; readonly rule: ResultRule };

interface Parts {
  readonly record: JobRecord;
  readonly rows: TaskRows;
  readonly assignments: Assignments;
  readonly replies: Replies;
  readonly results: ResultStore;
  readonly models: ModelStore;
  readonly events: EventLog;
}

/** Takes results and renews leases. A reply is keyed (task, site): nothing is counted twice, and nothing after closing. */
export class Reception {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A site's task, or why it is none of its business. */
  #task(site: string, id: string): Result<BoardTask, Fault> {
    const task = this.#parts.rows.byId(id);
    if (!task) return err({ reason: 'not-found', what: `task ${id}` });
    const lease = this.#parts.assignments.get(task.n, site)?.lease ?? null;
    if (lease !== null) return ok(task);
    return err({ reason: 'forbidden', detail: `Task ${id} was never given to ${site}.` });
  }

  /** Renews a lease, or says why the work is no longer wanted. */
  renew(site: string, id: string, now: number): Result<LeaseAnswer, Fault> {
    const { assignments, replies, rows, record } = this.#parts;
    const found = this.#task(site, id);
    if (!found.ok) return found;
    const task = found.value;
    const closed = (reason: string): Result<LeaseAnswer, Fault> => ok({ status: 'closed', reason });
    if (replies.has(task.n, site)) return closed('answered');
    if (task.state !== 'open') {
      return closed(task.state === 'cancelled' ? (task.reason ?? record.read().status) : 'closed');
    }
    rows.lookBy(task.n, assignments.give(task.n, site, now));
    return ok({ status: 'open', lease: LIMITS.leaseS });
  }

  /** Says before a result's body is read whether and how to read it. */
  admit(site: string, id: string): Admission {
    const { replies } = this.#parts;
    const found = this.#task(site, id);
    if (!found.ok) return { kind: 'fault', fault: found.error };
    const task = found.value;
    if (replies.has(task.n, site)) return { kind: 'answer', status: 'duplicate' };
    if (task.state !== 'open') return { kind: 'answer', status: 'late' };
    return { kind: 'accept', rule: this.#rule(task) };
  }

  /** The most that a result for this task may weigh. */
  limit(id: string): number {
    const task = this.#parts.rows.byId(id);
    return task ? this.#rule(task).maxBytes : LIMITS.headerBytes;
  }

  /** Whether a task can't close without more results, and so many bytes of them as one has will never find room. */
  isStuck(id: string, mayFit: (bytes: number) => boolean): boolean {
    const task = this.#parts.rows.byId(id);
    if (!task || task.state !== 'open') return false;
    const { request, ok, failed } = task;
    const answers = request.ignoreErrors ? ok + failed : ok;
    if (request.min !== null && answers >= request.min) return false;
    const { layoutOf } = this.#rule(task);
    return !mayFit(layoutOf === null ? 1 : (this.#parts.models.layout(layoutOf)?.dataBytes ?? 1));
  }

  #rule({ params, request: { results, model } }: BoardTask): ResultRule {
    const { record, models } = this.#parts;
    if (results.kind === 'metrics') {
      return {
        tensors: 'forbidden',
        paramsType: 'ANY',
        layoutOf: null,
        partial: false,
        maxBytes: LIMITS.headerBytes,
      };
    }
    const layoutOf = model?.digest ?? record.spec().model ?? null;
    const known = layoutOf === null ? null : models.layout(layoutOf);
    return {
      tensors: 'required',
      paramsType: params ?? results.paramsType,
      layoutOf,
      partial: results.kind === 'fold' && results.fold.partial,
      maxBytes: (known?.dataBytes ?? LIMITS.blobBytes) + LIMITS.headerBytes + 8,
    };
  }

  /**
   * In the turn: binds what was received to (task, site), or tells why it loses. The caller drops the upload of one that
   * was not accepted.
   */
  commit(site: string, id: string, received: Staged, now: number): Result<Status, Fault> {
    const { replies, assignments, rows, results, events } = this.#parts;
    const found = this.#task(site, id);
    if (!found.ok) return found;
    const task = found.value;
    if (replies.has(task.n, site)) return ok('duplicate');
    if (task.state !== 'open') return ok('late');
    const { header, upload } = received;
    const type = upload === null ? null : (header.params_type ?? 'FULL');
    if (type !== null && task.params !== null && type !== task.params) {
      const expected = `${task.params}, as the first result of this task`;
      return err(
        invalid('MIXED_PARAMS_TYPE', `params_type: expected ${expected}, got ${type}`, {
          path: 'params_type',
          expected,
          got: type,
        }),
      );
    }
    const weight = this.#weight(site, task, header);
    if (!weight.ok) return weight;
    if (upload !== null) results.commit(upload, id, site);
    replies.insert({ task: task.n, site, weight: weight.value, upload }, header, now);
    assignments.replied(task.n, site);
    const { return_code: returnCode = 'OK', metrics = {} } = header;
    rows.set(task.n, {
      due: 0,
      ...(returnCode === 'OK' ? { ok: task.ok + 1 } : { failed: task.failed + 1 }),
      ...(type && task.request.results.kind === 'fold' && { params: type }),
    });
    events.append('reply', { ...told(task), site, returnCode, metrics, weight: weight.value }, now);
    return ok('accepted');
  }

  #weight(site: string, task: BoardTask, { meta = {} }: FLModelHeader): Result<number, Fault> {
    const { results } = task.request;
    if (results.kind !== 'fold') return ok(1);
    const weight = siteWeight(site, meta, results.fold);
    if (weight.ok) return weight;
    const { path, expected, got } = weight.error;
    return err(
      invalid('WEIGHT_TOO_LARGE', `${path}: expected ${expected}, got ${got}`, {
        path,
        expected,
        got,
      }),
    );
  }
}
