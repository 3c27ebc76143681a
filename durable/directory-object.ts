import { DurableObject } from 'cloudflare:workers';
import type { InferOutput } from 'valibot';
import type { SiteCaller } from '../core/protocol/caller.ts';
import type { EnrolmentRequest, SiteRequest } from '../core/protocol/site.ts';
import { Directory } from './directory/directory.ts';
import type { Env } from './env.ts';
import type { DirectoryStub, JobChange, Page } from './stubs.ts';

/**
 * The index of a project: enrolments, sites, jobs. RPC surface only; what it means is in `Directory`. A job object is
 * the truth about its job, this object about sites and enrolments.
 */
export class DirectoryObject extends DurableObject<Env> implements Omit<DirectoryStub, 'fetch'> {
  readonly #directory: Directory;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#directory = new Directory(ctx.storage, env);
    void ctx.blockConcurrencyWhile(() => this.#directory.rearm());
  }

  async ping() {
    return this.#directory.ping();
  }

  async enrol(request: InferOutput<typeof EnrolmentRequest>, key: string | null) {
    return this.#directory.enrol(request, key);
  }

  async mayEnrol(token: string, key: string | null) {
    return this.#directory.mayEnrol(token, key);
  }

  async register(token: string, request: InferOutput<typeof SiteRequest>, key: string | null) {
    return this.#directory.register(token, request, key);
  }

  async sites(page: Page) {
    return this.#directory.sites(page);
  }

  async revokeSite(name: string) {
    return this.#directory.revokeSite(name);
  }

  async generation(name: string) {
    return this.#directory.generation(name);
  }

  async submit(spec: unknown, key: string | null) {
    return this.#directory.submit(spec, key);
  }

  async clone(job: string, key: string | null) {
    return this.#directory.clone(job, key);
  }

  async jobs(page: Page) {
    return this.#directory.jobs(page);
  }

  async jobChanged(change: JobChange) {
    return this.#directory.jobChanged(change);
  }

  async remove(job: string) {
    return this.#directory.remove(job);
  }

  async inbox(caller: SiteCaller) {
    return this.#directory.inbox(caller);
  }

  override async alarm(): Promise<void> {
    await this.#directory.alarm();
  }
}
