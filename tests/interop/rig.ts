import { expect } from 'vitest';
import { checkedFetch } from '../http/checked-fetch.ts';
import { ADMIN, startServer } from '../../scripts/bare-server.ts';
import type { Server } from '../../scripts/bare-server.ts';
import { call } from './raw-client.ts';
import type { Answer, Call } from './raw-client.ts';
import { digestOf, flModel, vectors } from './raw-file.ts';

type Vectors = Readonly<Record<string, readonly number[]>>;
type Json = Readonly<Record<string, unknown>>;

/** A task as a site is given it. */
export interface Task {
  readonly id: string;
  readonly resultUrl: string;
  readonly lease: { readonly url: string };
  readonly model: { readonly digest: string; readonly url: string };
}

export interface JobView {
  readonly status: string;
  readonly reason: string | null;
  readonly version: number;
  readonly task: { readonly received: number } | null;
  readonly models: Readonly<Record<string, { readonly digest: string }>>;
}

/** An enrolled site: a name and a token. */
export interface SiteOf {
  readonly name: string;
  readonly token: string;
}

/** What `openTask` may be told about the job. */
export interface JobOptions {
  readonly model?: Vectors;
  readonly args?: Json;
  readonly spec?: Json;
}

export const MODEL: Vectors = { w: [1, 2, 3, 4], b: [0.5, -0.5] };

/** The file of a well-formed result with these tensors. */
export const resultOf = (values: Vectors, header: Json = {}): Uint8Array<ArrayBuffer> =>
  vectors(
    values,
    flModel({ params_type: 'FULL', meta: { NUM_STEPS_CURRENT_ROUND: 1 }, ...header }),
  );

/** A live server, its admin, and what these tests do again and again. */
export class Rig {
  readonly #server: Server;
  readonly #fetch: typeof fetch;
  #sites = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.#fetch = checkedFetch(server.url);
  }

  static async start(): Promise<Rig> {
    return new Rig(await startServer());
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  get url(): string {
    return this.#server.url;
  }

  /** SIGKILL to the server, and a start on the same storage. */
  async restart(): Promise<void> {
    await this.#server.kill();
    await this.#server.restart();
  }

  call<T = unknown>(method: string, path: string, options: Call = {}): Promise<Answer<T>> {
    return call<T>(method, this.url + path, { ...options, by: this.#fetch });
  }

  admin<T = unknown>(method: string, path: string, options: Call = {}): Promise<Answer<T>> {
    return this.call<T>(method, path, { ...options, token: ADMIN });
  }

  async enrolment(options: Json = {}): Promise<string> {
    const { status, json } = await this.admin<{ token: string }>('POST', '/v1/enrolments', {
      json: options,
    });
    expect(status).toBe(201);
    return json.token;
  }

  async enrol(name = `site-${++this.#sites}`): Promise<SiteOf> {
    const { status, json } = await this.call<{ token: string }>('POST', '/v1/sites', {
      token: await this.enrolment(),
      json: { name },
    });
    expect(status).toBe(201);
    return { name, token: json.token };
  }

  async putBlob(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = digestOf(bytes);
    const { status } = await this.admin('PUT', `/v1/blobs/${digest}`, { body: bytes });
    expect([200, 201]).toContain(status);
    return digest;
  }

  /** A spec of one round of FedAvg over these sites. */
  async spec(
    sites: readonly SiteOf[],
    { model = MODEL, args = {}, spec = {} }: JobOptions = {},
  ): Promise<Json> {
    return {
      name: 'a job',
      minSites: sites.length,
      deploy: sites.map(({ name }) => name),
      model: await this.putBlob(vectors(model)),
      workflows: [
        {
          id: 'train',
          use: 'fed-avg',
          args: { rounds: 1, minResponses: sites.length, selection: 'none', ...args },
        },
      ],
      executors: [{ tasks: ['*'], use: 'app' }],
      ...spec,
    };
  }

  async submit(spec: Json): Promise<string> {
    const { status, json } = await this.admin<{ id: string }>('POST', '/v1/jobs', { json: spec });
    expect(status, JSON.stringify(json)).toBe(201);
    return json.id;
  }

  /** The task that a site gets from a job. */
  async take(job: string, { token }: SiteOf): Promise<Task> {
    for (;;) {
      const { status, json } = await this.call<{ status: string; task: Task }>(
        'GET',
        `/v1/jobs/${job}/task?wait=5`,
        { token },
      );
      expect(status).toBe(200);
      expect(json.status).not.toBe('end');
      if (json.status === 'task') return json.task;
    }
  }

  /** A fresh job in which each of these sites holds its task. */
  async openTask(
    sites: readonly SiteOf[],
    options: JobOptions = {},
  ): Promise<{ job: string; tasks: Task[] }> {
    const job = await this.submit(await this.spec(sites, options));
    const tasks = await Promise.all(sites.map((site) => this.take(job, site)));
    return { job, tasks };
  }

  send(
    { resultUrl }: Task,
    { token }: SiteOf,
    body: Uint8Array<ArrayBuffer> | string,
    headers: Record<string, string> = {},
  ): Promise<Answer<{ status: string }>> {
    return this.call('POST', resultUrl, {
      token,
      body,
      headers: { 'content-type': 'application/x-safetensors', ...headers },
    });
  }

  async view(job: string): Promise<JobView> {
    return (await this.admin<JobView>('GET', `/v1/jobs/${job}`)).json;
  }

  /** The view of a job once it is finished, or suspended. */
  async settled(job: string): Promise<JobView> {
    let view = await this.view(job);
    while (!/^FINISHED|SUSPENDED/.test(view.status)) {
      const path = `/v1/jobs/${job}?wait=5&since=${view.version}`;
      view = (await this.admin<JobView>('GET', path)).json;
    }
    return view;
  }

  /** The bytes of a job's `global`. */
  async model(job: string): Promise<Uint8Array> {
    const { status, bytes } = await this.admin('GET', `/v1/jobs/${job}/models/global`);
    expect(status).toBe(200);
    return bytes;
  }
}

export interface ProblemShape {
  readonly status: number;
  readonly code?: string | RegExp;
  /** The first error's path. */
  readonly path?: string | RegExp;
}

/** Checks that an answer is a problem document, with the code and the place that are wanted. */
export function expectProblem(answer: Answer, { status, code, path }: ProblemShape): void {
  const shown = new TextDecoder().decode(answer.bytes.subarray(0, 2000));
  expect(answer.status, shown).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
  const problem = answer.json as {
    status: number;
    type: string;
    title: string;
    detail: string;
    code: string;
    errors?: readonly { path: string; expected: string; got: string }[];
  };
  expect(problem.status).toBe(status);
  for (const text of [problem.type, problem.title, problem.detail]) expect(text).toMatch(/./);
  if (code !== undefined)
    expect(problem.code, shown).toMatch(typeof code === 'string' ? new RegExp(`^${code}$`) : code);
  if (path === undefined) return;
  const [first] = problem.errors ?? [];
  expect(first, shown).toEqual({
    path: typeof path === 'string' ? path : expect.stringMatching(path),
    expected: expect.stringMatching(/./),
    got: expect.stringMatching(/^\P{Cc}{1,200}$/u),
  });
}
