import type { InferOutput } from 'valibot';
import type { SiteCaller } from '../../core/protocol/caller.ts';
import type { Fault } from '../../core/protocol/fault.ts';
import type { JobSummary } from '../../core/protocol/job-status.ts';
import type { JobSpec } from '../../core/protocol/job.ts';
import { LIMITS } from '../../core/protocol/limits.ts';
import type {
  Enrolment,
  EnrolmentRequest,
  Revocation,
  SiteGrant,
  SiteRequest,
} from '../../core/protocol/site.ts';
import type { Inbox } from '../../core/protocol/task.ts';
import { err, ok, type Result } from '../../core/tensors/result.ts';
import { admit } from '../admission/admission.ts';
import { CATALOG } from '../admission/catalog.ts';
import { DirectoryOutbox, type Message } from './outbox.ts';
import { migrate } from './schema.ts';
import { Enrolments } from './enrolments.ts';
import type { Env } from '../env.ts';
import { Idempotency } from './idempotency.ts';
import { newJobId } from './job-id.ts';
import { JobIndex } from './job-index.ts';
import { Revocations } from './revocations.ts';
import { SiteRegister } from './site-register.ts';
import { hashOf, signSite, tokenKeys, type TokenKeys } from './site-token.ts';
import {
  VOID_TOKEN,
  blobOf,
  jobOf,
  stands,
  type JobChange,
  type Page,
  type Standing,
} from '../stubs.ts';

const ADMIN = 'admin';
/** A revocation answers after this long, whoever has not been told by then. */
const REVOKE_WAIT_MS = 10_000;

const noJob: Fault = { reason: 'not-found', what: 'job' };

/** What the directory does. Every decision is one synchronous transaction; job objects hear of it from the outbox. */
export class Directory {
  readonly #storage: DurableObjectStorage;
  readonly #env: Env;
  readonly #enrolments: Enrolments;
  readonly #sites: SiteRegister;
  readonly #jobs: JobIndex;
  readonly #idempotency: Idempotency;
  readonly #outbox: DirectoryOutbox;
  readonly #revocations: Revocations;

  constructor(storage: DurableObjectStorage, env: Env) {
    migrate(storage);
    const { sql } = storage;
    this.#storage = storage;
    this.#env = env;
    this.#enrolments = new Enrolments(sql);
    this.#sites = new SiteRegister(sql);
    this.#jobs = new JobIndex(sql);
    this.#idempotency = new Idempotency(sql);
    this.#outbox = new DirectoryOutbox(storage, env, (job, message, fault) =>
      this.#settled(job, message, fault),
    );
    this.#revocations = new Revocations(sql, this.#jobs, this.#outbox);
  }

  get #keys(): TokenKeys {
    return tokenKeys(this.#env);
  }

  ping(): true {
    this.#sites.standing('ping');
    return true;
  }

  enrol(
    request: InferOutput<typeof EnrolmentRequest>,
    key: string | null,
  ): Result<Enrolment, Fault> {
    const keys = this.#keys;
    const now = Date.now();
    const asked = { enrol: request };
    return this.#storage.transactionSync(() => {
      const known = this.#idempotency.recall<Omit<Enrolment, 'token'>>(ADMIN, key, asked, now);
      if (!known.ok) return known;
      if (known.value) {
        const token = this.#enrolments.tokenOf(known.value.id, keys);
        if (token !== null) return ok({ ...known.value, token });
        const detail = 'The key that made this enrolment token is gone; make another one.';
        return err({ reason: 'conflict', detail });
      }
      const enrolment = this.#enrolments.create(request, keys.current, now);
      const { token: _, ...rest } = enrolment;
      this.#idempotency.record(ADMIN, key, asked, rest, now);
      return ok(enrolment);
    });
  }

  mayEnrol(token: string, key: string | null): Result<null, Fault> {
    const scope = hashOf(token);
    if (key !== null && this.#idempotency.knows(scope, key, Date.now())) return ok(null);
    return this.#enrolments.check(token, Date.now());
  }

  register(
    token: string,
    request: InferOutput<typeof SiteRequest>,
    key: string | null,
  ): Result<SiteGrant, Fault> {
    const { current } = this.#keys;
    const now = Date.now();
    const scope = hashOf(token);
    const grant = (name: string, generation: number): SiteGrant => ({
      site: name,
      token: signSite(current, { name, generation }),
    });
    return this.#storage.transactionSync(() => {
      const known = this.#idempotency.recall<{ generation: number }>(scope, key, request, now);
      if (!known.ok) return known;
      if (known.value) return ok(grant(request.name, known.value.generation));
      const good = this.#enrolments.check(token, now);
      if (!good.ok) return good;
      const enrolled = this.#sites.enrol(request, now);
      if (!enrolled.ok) return enrolled;
      const generation = enrolled.value;
      this.#enrolments.use(token);
      this.#idempotency.record(scope, key, request, { generation }, now);
      return ok(grant(request.name, generation));
    });
  }

  sites(page: Page) {
    return ok(this.#sites.list(page));
  }

  generation(name: string): Standing | null {
    return this.#sites.standing(name);
  }

  /** Writes the new generation and that the jobs must be told, then tells them. */
  async revokeSite(name: string): Promise<Result<Revocation, Fault>> {
    const now = Date.now();
    const known = this.#storage.transactionSync(() => {
      const revoked = this.#sites.revoke(name);
      if (revoked?.changed) this.#revocations.begin(name, revoked.generation, now);
      return revoked !== null;
    });
    if (!known) return err({ reason: 'not-found', what: 'site' });
    await this.#arm();
    const told = this.#tellAll(name);
    await Promise.race([told, new Promise((resolve) => setTimeout(resolve, REVOKE_WAIT_MS))]);
    return ok({ site: name, pending: this.#revocations.pending(name) });
  }

  /** Tells page after page, until one has a job that can't be reached: the rest waits for the alarm then. */
  async #tellAll(site: string): Promise<void> {
    const next = () =>
      this.#storage.transactionSync(() => this.#revocations.spread(site, Date.now()));
    this.#revocations.putOff(site, Date.now());
    do {
      await this.#outbox.deliverAll(this.#outbox.pendingRevocations(site));
      if (this.#outbox.pendingRevocations(site).length > 0) return;
    } while (next());
  }

  submit(spec: unknown, key: string | null): Promise<Result<JobSummary, Fault>> {
    return this.#create({ submit: spec }, async () => ok(spec), null, key);
  }

  clone(job: string, key: string | null): Promise<Result<JobSummary, Fault>> {
    const source = async (): Promise<Result<JobSpec, Fault>> =>
      this.#jobs.state(job) === 'ready' ? jobOf(this.#env, job).spec({ role: ADMIN }) : err(noJob);
    return this.#create({ clone: job }, source, job, key);
  }

  jobs(page: Page) {
    return ok(this.#jobs.list(page));
  }

  jobChanged(change: JobChange): void {
    this.#jobs.changed(change);
  }

  /** Hides the job at once and destroys it; a job that can't be reached now is destroyed later. */
  async remove(job: string): Promise<Result<null, Fault>> {
    const known = this.#storage.transactionSync(() => {
      const state = this.#jobs.state(job);
      if (state === null || state === 'deleting') return state;
      this.#jobs.setState(job, 'deleting');
      this.#outbox.cancel(job);
      this.#outbox.put(job, { kind: 'destroy' }, Date.now());
      return state;
    });
    if (known === null) return err(noJob);
    await this.#arm();
    return this.#outbox.deliver(job);
  }

  inbox(caller: SiteCaller): Result<Inbox, Fault> {
    if (!stands(this.#sites.standing(caller.name), caller)) return err(VOID_TOKEN);
    this.#sites.seen(caller.name, Date.now());
    const open = this.#jobs.openFor(caller.name, LIMITS.inboxJobs);
    const wanted = open.some(({ status }) => status !== 'SUSPENDED');
    return ok({
      jobs: open.map(({ id, name }) => ({ id, name })),
      retryAfter: wanted ? 1 : 15 + Math.floor(Math.random() * 46),
    });
  }

  /** Sets the alarm again where a crash lost it. */
  rearm(): Promise<void> {
    return this.#arm();
  }

  async #arm(): Promise<void> {
    const due = [this.#outbox.nextDue(), this.#revocations.nextDue()].filter((at) => at !== null);
    if (due.length > 0) await this.#storage.setAlarm(Math.min(...due));
  }

  async alarm(): Promise<void> {
    try {
      await this.#outbox.run(Date.now());
      const site = this.#revocations.due(Date.now());
      if (site !== null) await this.#tellAll(site);
      await this.#arm();
    } catch (error) {
      console.error({ message: 'directory alarm', error: String(error) });
      await this.#storage.setAlarm(Date.now() + 1000);
    }
  }

  /**
   * Admits a spec and makes its job: the row and the message first, then the object, so that a crash between them only
   * delays. `request` is what an Idempotency-Key stands for; one that is known needs no spec any more.
   */
  async #create(
    request: unknown,
    specOf: () => Promise<Result<unknown, Fault>>,
    clonedFrom: string | null,
    key: string | null,
  ): Promise<Result<JobSummary, Fault>> {
    const recall = () => this.#idempotency.recall<JobSummary>(ADMIN, key, request, Date.now());
    const before = recall();
    if (!before.ok) return before;
    if (before.value) return this.#finish(before.value);
    const spec = await specOf();
    if (!spec.ok) return spec;
    const admitted = await admit(spec.value, CATALOG, (digest) => blobOf(this.#env, digest));
    if (!admitted.ok) return admitted;
    const made = this.#storage.transactionSync((): Result<JobSummary, Fault> => {
      // The same request may have come in again while the blobs were looked at.
      const meanwhile = recall();
      if (!meanwhile.ok) return meanwhile;
      if (meanwhile.value) return ok(meanwhile.value);
      const submitted = Date.now();
      const { name, deploy } = admitted.value;
      const job: JobSummary = { id: newJobId(submitted), name, status: 'SUBMITTED', submitted };
      this.#jobs.add(job, deploy);
      const body = { id: job.id, spec: admitted.value, submitted, clonedFrom };
      this.#outbox.put(job.id, { kind: 'create', job: body, key }, submitted);
      this.#idempotency.record(ADMIN, key, request, job, submitted);
      return ok(job);
    });
    return made.ok ? this.#finish(made.value) : made;
  }

  /** Delivers a job's creation if that is still owed. */
  async #finish(job: JobSummary): Promise<Result<JobSummary, Fault>> {
    if (this.#jobs.state(job.id) !== 'creating') return ok(job);
    await this.#arm();
    const created = await this.#outbox.deliver(job.id);
    if (!created.ok) return created;
    // The row is gone where another request with this key got the refusal.
    if (this.#jobs.state(job.id) !== null) return ok(job);
    return err({ reason: 'unavailable', detail: 'The job was not made.', retryAfter: 1 });
  }

  #settled(job: string, message: Message, fault: Fault | null): void {
    if (message.kind === 'destroy') this.#jobs.drop(job);
    if (message.kind !== 'create') return;
    if (fault === null) {
      this.#jobs.setState(job, 'ready');
      return;
    }
    this.#jobs.drop(job);
    if (message.key !== null) this.#idempotency.forget(ADMIN, message.key);
  }
}
