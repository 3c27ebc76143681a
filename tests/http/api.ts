import { createHash } from 'node:crypto';
import { SAFETENSORS } from '../../core/protocol/http.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import type { Problem } from '../../core/protocol/problem.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { checkedFetch } from './checked-fetch.ts';
import { ADMIN, type Server } from '../../scripts/bare-server.ts';

export const digestOf = (bytes: Uint8Array): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;

/** A safetensors file of one F32 matrix, `w`. */
export const matrix = (
  values: readonly number[],
  shape: readonly number[] = [values.length],
  flModel?: object,
): Uint8Array<ArrayBuffer> =>
  encode(
    new Map([['w', { dtype: 'F32' as const, shape, data: Float32Array.from(values) }]]),
    flModel && new Map([['fl_model', JSON.stringify(flModel)]]),
  );

export interface Call {
  readonly method?: string;
  readonly token?: string | null;
  /** JSON, unless it is bytes or text. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls a server as a stranger would who has read its document; every answer is checked against it. */
export class Api {
  readonly fetch: typeof fetch;
  readonly url: string;

  constructor(server: Pick<Server, 'url'>) {
    this.url = server.url;
    this.fetch = checkedFetch(server.url);
  }

  call(path: string, { method, token = ADMIN, body, headers }: Call = {}): Promise<Response> {
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    return this.fetch(`${this.url}${path}`, {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(raw ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: (raw ? body : JSON.stringify(body)) as BodyInit }),
    });
  }

  /** The JSON of an answer that must have this status. */
  async json<T = Record<string, unknown>>(path: string, status: number, call?: Call): Promise<T> {
    const response = await this.call(path, call);
    const text = await response.text();
    if (response.status !== status) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  /** The problem of an answer that must have this status. */
  problem(path: string, status: number, call?: Call): Promise<Problem> {
    return this.json<Problem>(path, status, call);
  }

  async enrolment(request: object = { uses: 100 }): Promise<string> {
    const { token } = await this.json<{ token: string }>('/v1/enrolments', 201, { body: request });
    return token;
  }

  /** Enrols a site and gives its token. */
  async site(name: string): Promise<string> {
    const token = await this.enrolment({ uses: 1 });
    const grant = await this.json<{ token: string }>('/v1/sites', 201, { token, body: { name } });
    return grant.token;
  }

  /** Uploads bytes and gives their digest. */
  async blob(bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes);
    const call = {
      method: 'PUT',
      body: bytes,
      headers: { 'content-type': 'application/octet-stream' },
    };
    const response = await this.call(`/v1/blobs/${digest}`, call);
    if (!response.ok) throw new Error(`blob: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
    return digest;
  }

  async submit(spec: JobSpecInput): Promise<string> {
    const { id } = await this.json<{ id: string }>('/v1/jobs', 201, { body: spec });
    return id;
  }

  putResult(url: string, token: string, body: Uint8Array): Promise<Response> {
    return this.call(url, { method: 'PUT', token, body, headers: { 'content-type': SAFETENSORS } });
  }
}

/** FedAvg over one matrix: what `numbers` says of it. */
export const sumJob = (model: string, numbers: Partial<JobSpecInput> = {}): JobSpecInput => ({
  name: 'sum',
  model,
  workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 1, selection: 'none' } }],
  executors: [{ tasks: ['train', 'validate', 'submit_model'], use: 'add' }],
  ...numbers,
});
