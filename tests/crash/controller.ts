import { setTimeout as sleep } from 'node:timers/promises';
import { checkedFetch } from '../http/checked-fetch.ts';
import { Breach } from '../http/contract.ts';
import { digestOf } from '../interop/raw-file.ts';

export interface View {
  readonly id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly version: number;
  readonly models: Readonly<Record<string, { readonly digest: string }>>;
  readonly results: Readonly<Record<string, unknown>>;
}

/** One row of a job's event stream. */
export interface JobEvent {
  readonly id: number;
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/**
 * The admin's side of a campaign, each answer held against the server's OpenAPI document. A request is repeated while the server is down; what creates something carries an
 * Idempotency-Key, so that a repetition creates nothing twice.
 */
export class Controller {
  readonly #url: string;
  readonly #token: string;
  readonly #fetch: typeof fetch;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
    this.#fetch = checkedFetch(url);
  }

  async enrolment(uses: number): Promise<string> {
    const made = await this.#json<{ token: string }>(
      'POST',
      '/v1/enrolments',
      { uses },
      crypto.randomUUID(),
    );
    return made.token;
  }

  async putBlob(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
    const digest = digestOf(bytes);
    await this.#send('PUT', `/v1/blobs/${digest}`, { body: bytes });
    return digest;
  }

  /** Submits a job. `sent` is called just before each try. */
  async submit(spec: object, sent: () => void): Promise<string> {
    const made = await this.#json<{ id: string }>(
      'POST',
      '/v1/jobs',
      spec,
      crypto.randomUUID(),
      sent,
    );
    return made.id;
  }

  view(job: string): Promise<View> {
    return this.#json('GET', `/v1/jobs/${job}`);
  }

  /** The view of a finished job. Throws where it isn't finished within `seconds`, with what it is then. */
  async finished(job: string, seconds: number): Promise<View> {
    const end = Date.now() + seconds * 1000;
    let view: View = await this.view(job);
    while (!view.status.startsWith('FINISHED:')) {
      if (Date.now() > end) throw new Error(`not finished: ${JSON.stringify(view)}`);
      view = await this.#json('GET', `/v1/jobs/${job}?wait=5&since=${view.version}`);
    }
    return view;
  }

  model(job: string): Promise<Uint8Array> {
    return this.#send('GET', `/v1/jobs/${job}/models/global`);
  }

  /** Deletes a job and all that the server keeps of it. */
  async remove(job: string): Promise<void> {
    await this.#send('DELETE', `/v1/jobs/${job}`);
  }

  /** All events of a finished job, up to the one that says so. */
  async events(job: string): Promise<readonly JobEvent[]> {
    for (;;) {
      // A kill in the middle of the stream: it is read again.
      const events = await this.#read(job).catch(cutOff);
      if (events) return events;
      await sleep(20);
    }
  }

  /** The stream up to the end of the job; null where it broke off before. */
  async #read(job: string): Promise<readonly JobEvent[] | null> {
    const stop = new AbortController();
    const answer = await this.#fetch(`${this.#url}/v1/jobs/${job}/events`, {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: stop.signal,
    });
    const events: JobEvent[] = [];
    let text = '';
    try {
      for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
        const blocks = (text + piece).split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const event = eventOf(block);
          if (!event) continue;
          events.push(event);
          if (event.event === 'status' && String(event.data['status']).startsWith('FINISHED:'))
            return events;
        }
      }
      return null;
    } finally {
      stop.abort();
    }
  }

  async #json<T>(
    method: string,
    path: string,
    json?: object,
    key?: string,
    sent?: () => void,
  ): Promise<T> {
    const headers: Record<string, string> = key === undefined ? {} : { 'idempotency-key': key };
    if (json) headers['content-type'] = 'application/json';
    const bytes = await this.#send(method, path, {
      headers,
      ...(json && { body: JSON.stringify(json) }),
      ...(sent && { sent }),
    });
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  }

  async #send(
    method: string,
    path: string,
    {
      sent,
      headers = {},
      ...rest
    }: {
      readonly headers?: Record<string, string>;
      readonly body?: string | Uint8Array<ArrayBuffer>;
      readonly sent?: () => void;
    } = {},
  ): Promise<Uint8Array> {
    for (;;) {
      sent?.();
      const answer = await this.#fetch(this.#url + path, {
        method,
        headers: { ...headers, authorization: `Bearer ${this.#token}` },
        ...rest,
      })
        .then(async (response) => ({
          status: response.status,
          bytes: new Uint8Array(await response.arrayBuffer()),
        }))
        .catch(cutOff);
      // No answer, or a half one: the server was killed. 503: it is on its way up.
      if (answer && answer.status !== 503) {
        if (answer.status < 300) return answer.bytes;
        throw new Error(
          `${method} ${path}: ${answer.status} ${new TextDecoder().decode(answer.bytes)}`,
        );
      }
      await sleep(20);
    }
  }
}

/** A request whose server was killed is made again; an answer that breaks the contract ends the campaign. */
const cutOff = (error: unknown): null => {
  if (error instanceof Breach) throw error;
  return null;
};

const eventOf = (block: string): JobEvent | null => {
  const fields: Record<string, string> = {};
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trim();
  }
  if (fields['data'] === undefined) return null;
  return {
    id: Number(fields['id']),
    event: fields['event'] ?? 'message',
    data: JSON.parse(fields['data']) as JobEvent['data'],
  };
};
