import type { Fault } from '../../core/protocol/fault.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import type { Env } from '../env.ts';
import { jobOf, type NewJob } from '../stubs.ts';

/** What the directory owes to job objects. */
export type Message =
  | { readonly kind: 'create'; readonly job: NewJob; readonly key: string | null }
  | { readonly kind: 'revoke'; readonly site: string; readonly generation: number }
  | { readonly kind: 'destroy' };

type Row = { id: number; job: string; body: string; attempts: number };

/** How a message ended for good: done, or refused with a reason that trying again won't change. */
export type Settled = (job: string, message: Message, fault: Fault | null) => void;

/** A request delivers its own message first; the alarm is for what that leaves behind. */
const FIRST_MS = 30_000;
const LONGEST_MS = 60_000;
const AT_ONCE = 6;
const BATCH = 60;

/**
 * Messages to job objects: a row written in the transaction that decides on it, delivered after, retried by the alarm
 * until the job takes it. Jobs take each idempotently. Messages to one job go one after another. A job's own Outbox is
 * another thing: there nobody waits for a message's fate, and a newer message replaces an older one.
 */
export class DirectoryOutbox {
  readonly #storage: DurableObjectStorage;
  readonly #env: Env;
  readonly #settled: Settled;
  readonly #lanes = new Map<string, Promise<unknown>>();

  constructor(storage: DurableObjectStorage, env: Env, settled: Settled) {
    this.#storage = storage;
    this.#env = env;
    this.#settled = settled;
  }

  /** Adds a message; inside a transaction. */
  put(job: string, message: Message, now: number): void {
    this.#storage.sql.exec(
      'INSERT INTO outbox (kind, job, site, body, attempts, due) VALUES (?, ?, ?, ?, 0, ?)',
      message.kind,
      job,
      message.kind === 'revoke' ? message.site : null,
      JSON.stringify(message),
      now + FIRST_MS,
    );
  }

  /** Takes back what a job was to be told, but for `destroy`. */
  cancel(job: string): void {
    this.#storage.sql.exec(`DELETE FROM outbox WHERE job = ? AND kind <> 'destroy'`, job);
  }

  /** Jobs that have not been told yet that the site is revoked. */
  pendingRevocations(site: string): string[] {
    return this.#storage.sql
      .exec<{ job: string }>('SELECT DISTINCT job FROM outbox WHERE site = ? ORDER BY job', site)
      .toArray()
      .map(({ job }) => job);
  }

  /** Delivers all that a job is owed, in order. The last message's fate; `unavailable` where it must be tried again. */
  deliver(job: string): Promise<Result<null, Fault>> {
    const lane = (this.#lanes.get(job) ?? Promise.resolve()).then(() => this.#drain(job));
    this.#lanes.set(job, lane);
    return lane.finally(() => {
      if (this.#lanes.get(job) === lane) this.#lanes.delete(job);
    });
  }

  /** Delivers to many jobs, a few at once. */
  async deliverAll(jobs: readonly string[]): Promise<void> {
    const left = [...jobs];
    const worker = async (): Promise<void> => {
      for (let job = left.shift(); job !== undefined; job = left.shift()) await this.deliver(job);
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, left.length) }, worker));
  }

  /** The alarm's work: what is due. */
  async run(now: number): Promise<void> {
    const due = this.#storage.sql
      .exec<{ job: string }>(
        'SELECT DISTINCT job FROM outbox WHERE due <= ? ORDER BY due LIMIT ?',
        now,
        BATCH,
      )
      .toArray();
    await this.deliverAll(due.map(({ job }) => job));
  }

  nextDue(): number | null {
    return this.#storage.sql
      .exec<{ due: number | null }>('SELECT min(due) AS due FROM outbox')
      .one().due;
  }

  async #drain(job: string): Promise<Result<null, Fault>> {
    let fate: Result<null, Fault> = ok(null);
    for (;;) {
      const [row] = this.#storage.sql
        .exec<Row>(
          'SELECT id, job, body, attempts FROM outbox WHERE job = ? ORDER BY id LIMIT 1',
          job,
        )
        .toArray();
      if (!row) return fate;
      const message = JSON.parse(row.body) as Message;
      fate = await this.#send(job, message);
      if (!fate.ok && fate.error.reason === 'unavailable') {
        const delay = Math.min(LONGEST_MS, 1000 * 2 ** row.attempts);
        this.#storage.sql.exec(
          'UPDATE outbox SET attempts = attempts + 1, due = ? WHERE id = ?',
          Date.now() + delay,
          row.id,
        );
        return fate;
      }
      const fault = fate.ok ? null : fate.error;
      this.#storage.transactionSync(() => {
        // A message taken back meanwhile has no say any more.
        const { rowsWritten } = this.#storage.sql.exec('DELETE FROM outbox WHERE id = ?', row.id);
        if (rowsWritten > 0) this.#settled(job, message, fault);
      });
    }
  }

  async #send(id: string, message: Message): Promise<Result<null, Fault>> {
    try {
      const job = jobOf(this.#env, id);
      if (message.kind === 'create') {
        const created = await job.create(message.job);
        return created.ok ? ok(null) : err(created.error);
      }
      if (message.kind === 'revoke') await job.revoke(message.site, message.generation);
      else await job.destroy();
      return ok(null);
    } catch (error) {
      console.error({
        message: 'a job could not be reached',
        job: id,
        kind: message.kind,
        error: String(error),
      });
      return err({
        reason: 'unavailable',
        detail: 'The job could not be reached; it will be tried again.',
        retryAfter: 1,
      });
    }
  }
}
