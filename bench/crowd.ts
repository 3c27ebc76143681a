import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathOf } from '../core/protocol/http.ts';
import type { JobSpecInput } from '../core/protocol/job.ts';
import type { Enrolment, SiteGrant } from '../core/protocol/site.ts';
import type { PollAnswer, Task } from '../core/protocol/task.ts';
import { encode } from '../core/tensors/safetensors.ts';
import { type Answer, Connection } from './connection.ts';
import type { Server } from './server.ts';

const JSON_TYPE = 'application/json';
const SAFETENSORS = 'application/x-safetensors';

/** Connections that are made at the same time: more would overflow the listening socket's queue. */
const AT_ONCE = 100;

const json = (value: unknown) => ({ body: Buffer.from(JSON.stringify(value)), type: JSON_TYPE });

/** The JSON of an answer. Throws unless the request was a success. */
function good(answer: Answer): unknown {
  if (answer.status >= 300) throw new Error(`status ${answer.status}: ${answer.text()}`);
  return JSON.parse(answer.text());
}

/** A float32 file of so many bytes of data in four tensors, each element `value`. */
export const tensors = (bytes: number, value: number, metadata?: ReadonlyMap<string, string>) => {
  const data = new Float32Array(bytes / 16).fill(value);
  const tensor = { dtype: 'F32', shape: [data.length], data } as const;
  const names = ['a', 'b', 'c', 'd'].map((name) => `layer.${name}`);
  return encode(new Map(names.map((name) => [name, tensor])), metadata);
};

/** A result that adds `value` to every element: each round has another model, as when sites train. */
export const update = (bytes: number, value: number): Uint8Array => {
  const meta = { NUM_STEPS_CURRENT_ROUND: 1 };
  return tensors(
    bytes,
    value,
    new Map([['fl_model', JSON.stringify({ params_type: 'DIFF', meta })]]),
  );
};

/** The operator: makes enrolments, uploads, submits. */
export class Operator {
  readonly #server: Server;
  readonly #connection: Connection;

  constructor(server: Server, connection: Connection) {
    this.#server = server;
    this.#connection = connection;
  }

  async #ask<T>(
    method: string,
    path: string,
    content: { body?: Uint8Array; type?: string } = {},
  ): Promise<T> {
    const { adminToken: token } = this.#server;
    return good(await this.#connection.ask(method, path, { token, ...content })) as T;
  }

  /** Submits a job on a model that it uploads first. -> the job's id */
  async submit(spec: JobSpecInput, model: Uint8Array): Promise<string> {
    const digest = `sha256-${createHash('sha256').update(model).digest('hex')}`;
    const blob = { body: model, type: 'application/octet-stream' };
    await this.#ask('PUT', pathOf('putBlob', { digest }), blob);
    const { id } = await this.#ask<{ id: string }>(
      'POST',
      pathOf('createJob', {}),
      json({ ...spec, model: digest }),
    );
    return id;
  }

  status(job: string): Promise<{ status: string; reason: string | null }> {
    return this.#ask('GET', pathOf('getJob', { id: job }));
  }

  /** Enrols sites with one enrolment token, each on a connection that stays its own. */
  async enrol(names: readonly string[]): Promise<Site[]> {
    const path = pathOf('createEnrolment', {});
    const { token } = await this.#ask<Enrolment>('POST', path, json({ uses: names.length }));
    const sites: Site[] = [];
    for (let i = 0; i < names.length; i += AT_ONCE) {
      const some = names.slice(i, i + AT_ONCE).map(async (name) => {
        const connection = await Connection.open(this.#server.port);
        const content = { token, ...json({ name }) };
        const grant = await connection.ask('POST', pathOf('enrolSite', {}), content);
        return new Site(connection, (good(grant) as SiteGrant).token);
      });
      sites.push(...(await Promise.all(some)));
    }
    return sites;
  }
}

/** A device without a device: it speaks the protocol and trains nothing. */
export class Site {
  /** Polls that all sites have sent. */
  static polls = 0;
  readonly #connection: Connection;
  readonly #token: string;

  constructor(connection: Connection, token: string) {
    this.#connection = connection;
    this.#token = token;
  }

  /** Waits for a task, however long; null when the job has ended. `at`: when the answer was here. */
  async task(job: string): Promise<{ readonly task: Task; readonly at: number } | null> {
    const path = pathOf('pollTask', { id: job, query: { wait: 25 } });
    for (;;) {
      Site.polls += 1;
      const answer = await this.#connection.ask('GET', path, { token: this.#token });
      const got = good(answer) as PollAnswer;
      if (got.status === 'end') return null;
      if (got.status === 'task') return { task: got.task, at: answer.at };
      await sleep(got.retryAfter * 1000);
    }
  }

  /** Reads the task's model and drops it. -> when it was here */
  async download({ model }: Task): Promise<number> {
    if (!model) throw new Error('the task has no model');
    const answer = await this.#connection.ask('GET', model.url, { token: this.#token });
    if (answer.status !== 200 || answer.bytes !== model.bytes) {
      throw new Error(`model: status ${answer.status}, ${answer.bytes} of ${model.bytes} bytes`);
    }
    return answer.at;
  }

  /** Answers a task. -> when it was acknowledged */
  async submit({ resultUrl }: Task, body: Uint8Array): Promise<number> {
    const content = { token: this.#token, body, type: SAFETENSORS };
    const answer = await this.#connection.ask('PUT', resultUrl, content);
    const { status } = good(answer) as { status: string };
    if (status !== 'accepted') throw new Error(`result: ${status}`);
    return answer.at;
  }

  close(): void {
    this.#connection.close();
  }
}

/** Has `use` deal with an operator of the server, whose connection is closed then. */
export async function withOperator<T>(
  server: Server,
  use: (operator: Operator) => Promise<T>,
): Promise<T> {
  const connection = await Connection.open(server.port);
  try {
    return await use(new Operator(server, connection));
  } finally {
    connection.close();
  }
}
