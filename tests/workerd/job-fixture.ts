import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import type { Caller, SiteCaller } from '../../core/protocol/caller.ts';
import type { FLModelHeader } from '../../core/protocol/fl-model.ts';
import type { JobView, ModelRef } from '../../core/protocol/job-status.ts';
import { JobSpec } from '../../core/protocol/job.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import type { Task } from '../../core/protocol/task.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import type { Env } from '../../durable/env.ts';
import type { JobObject } from '../../durable/job-object.ts';
import type { Answered, JobStub } from '../../durable/stubs.ts';
import { blobOf, directoryOf } from '../../durable/stubs.ts';
import { f32, sha256Of } from './bytes-room.ts';

const bindings = env as unknown as Env;
export const admin: Caller = { role: 'admin' };
export const site = (name: string, generation = 1): SiteCaller => ({
  role: 'site',
  name,
  generation,
});

/** FLARE's hello-numpy. */
const numpy = new Map([['numpy_key', f32([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9])]]);
const initial = encode(numpy);
export const initialDigest = sha256Of(initial);

const must = async <T>(answer: Answered<T>): Promise<T> => {
  const result = await answer;
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
};

/** Has the directory know sites, as enrolment would. */
export async function enrol(...names: string[]): Promise<void> {
  await directoryOf(bindings).ping();
  const stub = bindings.DIRECTORY.get(bindings.DIRECTORY.idFromName('directory'));
  await runInDurableObject(stub, (_, { storage }) => {
    for (const name of names) {
      storage.sql.exec(
        `INSERT OR IGNORE INTO sites (name, generation, status, enrolled, last_seen, capabilities)
         VALUES (?, 1, 'active', 0, NULL, '{}')`,
        name,
      );
    }
  });
}

/** Uploads hello-numpy's model. */
export const uploadInitial = (): Promise<string> => uploadBlob(initial);

export async function uploadBlob(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = sha256Of(bytes);
  const response = await blobOf(bindings, digest).fetch(
    new Request(`http://object/blobs/${digest}`, {
      method: 'PUT',
      body: bytes,
      headers: { 'content-length': String(bytes.length) },
    }),
  );
  await response.body?.cancel();
  if (!response.ok) throw new Error(`blob: ${response.status}`);
  return digest;
}

export type Answer = { status: string; [field: string]: unknown };

/** A job and the calls that sites and admins make, with the object evicted after each if asked. */
export class TestJob {
  readonly id: string;
  readonly #stub: DurableObjectStub;
  readonly #evict: boolean;

  constructor(id: string, evict: boolean) {
    this.id = id;
    this.#stub = bindings.JOB.get(bindings.JOB.idFromName(id));
    this.#evict = evict;
  }

  get stub(): JobStub {
    return this.#stub as unknown as JobStub;
  }

  async #after<T>(value: Promise<T>): Promise<T> {
    try {
      return await value;
    } finally {
      if (this.#evict) await evictDurableObject(this.#stub);
    }
  }

  /** Any method, unwrapped; evicts after it. */
  call<T>(use: (stub: JobStub) => Answered<T>): Promise<T> {
    return this.#after(must(use(this.stub)));
  }

  inside<T>(look: (storage: DurableObjectStorage, sql: SqlStorage) => T | Promise<T>): Promise<T> {
    return this.#after(
      runInDurableObject(this.#stub, (_, { storage }) => look(storage, storage.sql)),
    );
  }

  /** Rings the alarm, whether or not it is due. */
  alarm(): Promise<void> {
    return this.#after(
      runInDurableObject(this.#stub, (object) => (object as unknown as JobObject).alarm()),
    );
  }

  evict(): Promise<void> {
    return evictDurableObject(this.#stub);
  }

  view(): Promise<JobView> {
    return this.call((job) => job.view(admin));
  }

  poll(name: string, waitS = 0): Promise<{ status: string; task?: Task; reason?: string }> {
    return this.call((job) => job.poll(site(name), waitS));
  }

  /** The task that the site gets. Throws where it gets none. */
  async task(name: string): Promise<Task> {
    const answer = await this.poll(name);
    if (!answer.task) throw new Error(`${name}: ${JSON.stringify(answer)}`);
    return answer.task;
  }

  async fetch(path: string, caller: Caller, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set('x-tributary-caller', JSON.stringify(caller));
    const response = await this.#stub.fetch(`http://object${path}`, { ...init, headers });
    // Read whole before the object is evicted.
    const body = await response.arrayBuffer();
    if (this.#evict) await evictDurableObject(this.#stub);
    return new Response(body, { status: response.status, headers: response.headers });
  }

  /** Hands in a result. -> the answer, or the fault */
  async reply(
    name: string,
    task: string,
    header: FLModelHeader,
    tensors: Tensors | null = null,
  ): Promise<Answer> {
    const body = tensors
      ? encode(tensors, new Map([['fl_model', JSON.stringify(header)]]))
      : new TextEncoder().encode(JSON.stringify(header));
    const response = await this.fetch(`/tasks/${task}/result`, site(name), {
      method: 'PUT',
      body,
      headers: {
        'content-type': tensors ? 'application/x-safetensors' : 'application/json',
        'content-length': String(body.length),
      },
    });
    return response.json();
  }

  async model(ref: ModelRef | { digest: string } | null | undefined): Promise<number[]> {
    const response = await this.fetch(`/models/${ref?.digest}`, admin);
    if (!response.ok) throw new Error(await response.text());
    const file = decode(new Uint8Array(await response.arrayBuffer()));
    if (!file.ok) throw new Error(file.error.reason);
    return [...file.value.tensors.values()].flatMap(({ data }) => [...data].map(Number));
  }
}

let made = 0;

/** Submits a job with the hello-numpy model and sites that the directory knows. */
export async function newJob(
  spec: Partial<JobSpecInput>,
  { sites, evict = false }: { sites: readonly string[]; evict?: boolean },
): Promise<TestJob> {
  await enrol(...sites);
  await uploadInitial();
  const job = new TestJob(`job-${made++}-${crypto.randomUUID()}`, evict);
  const parsed = v.parse(JobSpec, {
    name: 'a job',
    minSites: sites.length,
    model: initialDigest,
    workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 3 } }],
    executors: [{ tasks: ['*'], use: 'app' }],
    ...spec,
  });
  await job.call((stub) =>
    stub.create({ id: job.id, spec: parsed, submitted: Date.now(), clonedFrom: null }),
  );
  return job;
}

/** hello-numpy's training: adds `step` to everything received (DIFF: sends only the difference). */
export async function addOne(
  job: TestJob,
  name: string,
  task: Task,
  {
    type = 'FULL',
    step = 1,
    steps = 1,
  }: { type?: 'FULL' | 'DIFF'; step?: number; steps?: number } = {},
): Promise<Answer> {
  const received = await job.model(task.model);
  const values = received.map((x) => (type === 'FULL' ? x + step : step));
  const header: FLModelHeader = {
    params_type: type,
    meta: { NUM_STEPS_CURRENT_ROUND: steps },
    metrics: { accuracy: { sum: 1, count: 2 } },
  };
  return job.reply(name, task.id, header, new Map([['numpy_key', f32([3, 3], values)]]));
}

/** A train result whose every element is `value`. */
export const constant = (value: number): Tensors =>
  new Map([['numpy_key', f32([3, 3], Array<number>(9).fill(value))]]);
