import { createHash } from 'node:crypto';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { decode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { Fetch } from '../src/connection.ts';

/** A task that the fake hands out; the rest of it is filled in. */
export interface FakeTask {
  readonly id: string;
  readonly name: string;
  readonly workflow?: string;
  readonly round?: number;
  readonly model?: Uint8Array<ArrayBuffer>;
  readonly data?: Record<string, unknown>;
  readonly paramsType?: 'FULL' | 'DIFF' | 'ANY';
  readonly leaseS?: number;
  readonly headers?: Record<string, unknown>;
  readonly peerProps?: Record<string, unknown>;
}

interface FakeJob {
  readonly spec: JobSpecInput;
  /** Handed out in order, the next when the one before is answered. */
  readonly tasks: FakeTask[];
  readonly closed: Set<string>;
  ended: boolean;
  suspended: boolean;
}

export interface FakeResult {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
}

/** What to do with a request instead of answering it: `lose-request` drops it, `lose-answer` does it and drops the answer. */
type Trouble = 'lose-request' | 'lose-answer' | (() => Response);

export const digestOfBytes = (bytes: Uint8Array): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });

export const problem = (
  status: number,
  code: string,
  headers: Record<string, string> = {},
): Response =>
  json({ type: 'about:blank', title: code, status, detail: `${code} happened`, code }, status, {
    'content-type': 'application/problem+json',
    ...headers,
  });

/** An in-memory server that says what DESIGN §5 says, to one site, for the kit's own tests. */
export class FakeServer {
  readonly url = 'http://fake.test';
  readonly jobs = new Map<string, FakeJob>();
  readonly blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly results = new Map<string, FakeResult>();
  readonly requests: { method: string; path: string; headers: Headers; bytes: number }[] = [];
  readonly metrics: { seq: number; key: string; value: unknown }[] = [];
  readonly grants = new Map<string, string>();
  readonly #revoked = new Map<string, number>();
  readonly duplicates: string[] = [];
  readonly #parts = new Map<string, { digest: string; bytes: Uint8Array<ArrayBuffer> }>();
  readonly #troubles: { method: string; path: RegExp; trouble: Trouble; times: number }[] = [];

  addBlob(bytes: Uint8Array<ArrayBuffer>): string {
    const digest = digestOfBytes(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  addJob(id: string, spec: Partial<JobSpecInput>, tasks: FakeTask[]): FakeJob {
    const job: FakeJob = {
      spec: { name: id, workflows: [], executors: [], ...spec },
      tasks,
      closed: new Set(),
      ended: false,
      suspended: false,
    };
    for (const { model } of tasks) if (model) this.addBlob(model);
    this.jobs.set(id, job);
    return job;
  }

  /** The next `times` requests of this kind meet trouble. */
  trouble(method: string, path: RegExp, trouble: Trouble, times = 1): void {
    this.#troubles.push({ method, path, trouble, times });
  }

  /** No more trouble. */
  calm(): void {
    this.#troubles.length = 0;
  }

  /** Ends a site: its token is void, and its name may be enrolled again. */
  revoke(site: string): void {
    this.#revoked.set(site, (this.#revoked.get(site) ?? 0) + 1);
    for (const [key, name] of this.grants) if (name === site) this.grants.delete(key);
  }

  #tokenOf(site: string): string {
    return `token-of-${site}${'+'.repeat(this.#revoked.get(site) ?? 0)}`;
  }

  count(method: string, path: RegExp): number {
    return this.requests.filter((r) => r.method === method && path.test(r.path)).length;
  }

  tensorsOf(task: string): { tensors: Tensors; header: Record<string, unknown> } {
    const result = this.results.get(task);
    if (!result) throw new Error(`no result for ${task}`);
    if (result.contentType === 'application/json') {
      return {
        tensors: new Map(),
        header: JSON.parse(new TextDecoder().decode(result.body)) as Record<string, unknown>,
      };
    }
    const decoded = decode(result.body);
    if (!decoded.ok) throw new Error(decoded.error.reason);
    const { tensors, metadata } = decoded.value;
    return {
      tensors,
      header: JSON.parse(metadata.get('fl_model') ?? '{}') as Record<string, unknown>,
    };
  }

  readonly fetch: Fetch = async (href, init) => {
    const url = new URL(href);
    const path = url.pathname + url.search;
    const method = init.method ?? 'GET';
    const body = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
    init.signal?.throwIfAborted();
    const headers = new Headers(init.headers);
    this.requests.push({ method, path, headers, bytes: body.length });
    const trouble = this.#troubles.find(
      (t) => t.times > 0 && t.method === method && t.path.test(path),
    );
    if (trouble) trouble.times--;
    if (trouble?.trouble === 'lose-request') throw new TypeError('fetch failed');
    if (typeof trouble?.trouble === 'function') return trouble.trouble();
    // A tick, as a network has: without it a loop of answered requests would starve timers.
    await new Promise((resolve) => setImmediate(resolve));
    const answer = this.#answer(method, url.pathname, headers, body);
    if (trouble?.trouble === 'lose-answer') throw new TypeError('fetch failed');
    return answer;
  };

  #answer(method: string, path: string, headers: Headers, body: Uint8Array<ArrayBuffer>): Response {
    const text = (): Record<string, unknown> =>
      JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
    if (method === 'POST' && path === '/v1/sites') {
      const key = headers.get('idempotency-key') ?? '';
      const name = String(text()['name']);
      const taken = [...this.grants.values()].includes(name);
      if (taken && this.grants.get(key) !== name) return problem(409, 'CONFLICT');
      this.grants.set(key, name);
      return json({ site: name, token: this.#tokenOf(name) }, 201);
    }
    const site = /^Bearer token-of-([^+]*)/.exec(headers.get('authorization') ?? '')?.[1] ?? '';
    if (headers.get('authorization') !== `Bearer ${this.#tokenOf(site)}`)
      return problem(401, 'UNAUTHORIZED');
    if (path === '/v1/inbox') {
      const open = [...this.jobs].filter(([, job]) => !job.ended || job.tasks.length > 0);
      return json({
        jobs: open.map(([id, { spec }]) => ({ id, name: spec.name })),
        retryAfter: 0.01,
      });
    }
    const [, id = '', what = '', name = '', last = ''] =
      /^\/v1\/jobs\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
    const job = this.jobs.get(id);
    if (!job) return problem(404, 'NOT_FOUND');
    if (what === '') {
      const over = job.ended && !this.#next(job);
      return json({ id, status: over ? 'FINISHED:COMPLETED' : 'RUNNING' });
    }
    if (what === 'spec') {
      const { spec } = job;
      const executors = spec.executors.map((one) => ({ sites: ['@all'], args: {}, ...one }));
      const filters = (spec.filters ?? []).map((one) => ({ sites: ['@all'], args: {}, ...one }));
      return json({ seed: 0, programs: {}, ...spec, executors, filters });
    }
    if (what === 'blobs') return this.#bytes(name, headers);
    if (what === 'metrics') {
      this.metrics.push(...(text()['entries'] as { seq: number; key: string; value: unknown }[]));
      return json({ accepted: 1 });
    }
    if (what === 'task') return this.#poll(id, job);
    if (last === 'lease') {
      return json(
        job.closed.has(name)
          ? { status: 'closed', reason: 'the job was aborted' }
          : { status: 'open', lease: job.tasks.find(({ id }) => id === name)?.leaseS ?? 60 },
      );
    }
    if (last === 'result') return this.#result(job, name, headers, body);
    return problem(404, 'NOT_FOUND');
  }

  #next(job: FakeJob): FakeTask | undefined {
    return job.tasks.find((task) => !this.results.has(task.id) && !job.closed.has(task.id));
  }

  #poll(id: string, job: FakeJob): Response {
    const next = job.suspended ? undefined : this.#next(job);
    if (!next) {
      return json(
        job.ended && !job.suspended
          ? { status: 'end', reason: 'FINISHED:COMPLETED' }
          : { status: 'try-again', retryAfter: 0.01 },
      );
    }
    const { model } = next;
    const digest = model && digestOfBytes(model);
    return json({
      status: 'task',
      task: {
        id: next.id,
        name: next.name,
        job: id,
        workflow: next.workflow ?? 'main',
        round: next.round ?? 0,
        totalRounds: 3,
        model: model
          ? { digest, bytes: model.length, url: `/v1/jobs/${id}/blobs/${digest}` }
          : null,
        paramsType: next.paramsType ?? 'ANY',
        data: next.data ?? {},
        headers: next.headers,
        peerProps: next.peerProps,
        deadline: null,
        lease: { seconds: next.leaseS ?? 60, url: `/v1/jobs/${id}/tasks/${next.id}/lease` },
        resultUrl: `/v1/jobs/${id}/tasks/${next.id}/result`,
      },
    });
  }

  #bytes(digest: string, headers: Headers): Response {
    const bytes = this.blobs.get(digest);
    if (!bytes) return problem(404, 'NOT_FOUND');
    const from = Number(/^bytes=(\d+)-$/.exec(headers.get('range') ?? '')?.[1] ?? 0);
    return new Response(bytes.slice(from), {
      status: from > 0 ? 206 : 200,
      headers: { etag: `"${digest}"`, 'content-length': String(bytes.length - from) },
    });
  }

  #result(job: FakeJob, task: string, headers: Headers, body: Uint8Array<ArrayBuffer>): Response {
    const contentType = headers.get('content-type') ?? '';
    if (this.results.has(task)) {
      this.duplicates.push(task);
      return json({ status: 'duplicate' });
    }
    if (job.closed.has(task)) return json({ status: 'late' });
    const range = headers.get('content-range');
    if (range === null) {
      this.results.set(task, { body, contentType });
      return json({ status: 'accepted' });
    }
    const digest = headers.get('repr-digest') ?? '';
    const held = this.#parts.get(task + digest)?.bytes ?? new Uint8Array();
    const [, begin, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+)$/.exec(range) ?? [];
    if (begin === undefined) return json({ status: 'partial', received: held.length }, 202);
    if (Number(begin) !== held.length) return problem(416, 'RANGE_NOT_SATISFIABLE');
    const whole = new Uint8Array(held.length + body.length);
    whole.set(held);
    whole.set(body, held.length);
    this.#parts.set(task + digest, { digest, bytes: whole });
    if (whole.length < Number(total))
      return json({ status: 'partial', received: whole.length }, 202);
    const said = Buffer.from(/^sha-256=:(.*):$/.exec(digest)?.[1] ?? '', 'base64').toString('hex');
    if (digestOfBytes(whole) !== `sha256-${said}`) return problem(422, 'DIGEST_MISMATCH');
    this.results.set(task, { body: whole, contentType });
    return json({ status: 'accepted' });
  }
}
