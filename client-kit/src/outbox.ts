import type { ReturnCode } from '../../core/protocol/return-code.ts';
import type { Connection } from './connection.ts';
import { encodeFailure } from './fl-model.ts';
import type { EncodedResult } from './fl-model.ts';
import { ProblemError } from './problem-error.ts';
import type { ProblemDetails } from './problem-error.ts';
import type { Store } from './store.ts';
import { upload } from './upload.ts';
import type { Acknowledgement } from './upload.ts';

/** A result on its way. */
export interface Letter {
  readonly job: string;
  readonly task: string;
  /** Where to send it. */
  readonly url: string;
  readonly result: EncodedResult;
  /** Bytes that must come to exist with the result or not at all (the optimizer's state), by store key. */
  readonly kept?: ReadonlyMap<string, readonly Uint8Array<ArrayBuffer>[]>;
}

/** What became of a result. `bytes`: of its body. */
export interface Delivery {
  readonly status: Acknowledgement | 'refused';
  readonly bytes: number;
  readonly returnCode: ReturnCode;
  readonly problem?: ProblemDetails;
}

interface Envelope {
  readonly job: string;
  readonly task: string;
  readonly url: string;
  readonly contentType: string;
  readonly returnCode: ReturnCode;
  readonly bytes: number;
  readonly kept: readonly { readonly key: string; readonly bytes: number }[];
}

const PREFIX = 'outbox/';
const keyOf = (job: string, task: string): string => `${PREFIX}${job}/${task}`;

/** Refusals of the body, after which the task is still ours to answer. */
const BAD_BODY: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/**
 * Results that the server hasn't acknowledged. One is written whole before it is first sent and deleted once the
 * server has said accepted, duplicate, late or a final no: a site killed anywhere in between sends it again when it
 * comes back, and (task, site) makes the repetition harmless.
 */
export class Outbox {
  readonly #store: Store;
  readonly #deliveries = new Map<string, Promise<Delivery>>();
  readonly #answered = new Set<string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Makes a result durable, replacing an earlier one of the same task. */
  async put({ job, task, url, result, kept = new Map() }: Letter): Promise<void> {
    const sizes = [...kept].map(([key, parts]) => ({ key, bytes: sizeOf(parts) }));
    const envelope: Envelope = {
      job,
      task,
      url,
      contentType: result.contentType,
      returnCode: result.returnCode,
      bytes: sizeOf(result.parts),
      kept: sizes,
    };
    const head = new TextEncoder().encode(JSON.stringify(envelope));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, head.length, true);
    const tail = [...kept.values()].flat();
    await this.#store.write(keyOf(job, task), [length, head, ...result.parts, ...tail]);
  }

  /**
   * `waiting`: there is a result to send. `answered`: this life of the site has had the answer; a poll that was under
   * way may still offer the task.
   */
  async state(job: string, task: string): Promise<'none' | 'waiting' | 'answered'> {
    const key = keyOf(job, task);
    if (this.#deliveries.has(key)) return 'waiting';
    if (this.#answered.has(key)) return 'answered';
    return (await this.#store.read(key)) ? 'waiting' : 'none';
  }

  /** Results that wait, oldest life first: what a restart finds. */
  async waiting(): Promise<{ job: string; task: string }[]> {
    const keys = await this.#store.list(PREFIX);
    return keys.map((key) => {
      const [job = '', task = ''] = key.slice(PREFIX.length).split('/');
      return { job, task };
    });
  }

  /**
   * Sends a waiting result until there is a final answer. Called twice for one task, both get the one answer. Rejects
   * where the signal aborts or the server doesn't know this site (401): the result then stays.
   */
  deliver(
    job: string,
    task: string,
    connection: Connection,
    signal?: AbortSignal,
  ): Promise<Delivery> {
    const key = keyOf(job, task);
    const running = this.#deliveries.get(key);
    if (running) return running;
    const delivery = this.#deliver(key, connection, signal).finally(() => {
      this.#deliveries.delete(key);
    });
    this.#deliveries.set(key, delivery);
    return delivery;
  }

  async #deliver(key: string, connection: Connection, signal?: AbortSignal): Promise<Delivery> {
    const { envelope, body } = await this.#open(key);
    const { url, contentType, returnCode, bytes } = envelope;
    try {
      const status = await upload(connection, { url, body, contentType, signal });
      await this.#close(key);
      return { status, bytes, returnCode };
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status === 401) throw error;
      const { problem } = error;
      if (returnCode === 'OK' && BAD_BODY.has(problem.status)) {
        // The task is still open and would come again, with the same result: say that it came to nothing.
        const { job, task } = envelope;
        const result = encodeFailure('EXECUTION_RESULT_ERROR', { detail: problem.detail });
        await this.put({ job, task, url, result });
        return { ...(await this.#deliver(key, connection, signal)), problem };
      }
      await this.#close(key);
      return { status: 'refused', bytes, returnCode, problem };
    }
  }

  async #close(key: string): Promise<void> {
    await this.#store.delete(key);
    this.#answered.add(key);
  }

  /** Reads a letter, and puts what came to exist with it into its own place (again, after a kill: same bytes). */
  async #open(key: string): Promise<{ envelope: Envelope; body: Blob }> {
    const blob = await this.#store.read(key);
    if (!blob) throw new Error(`no result waits under ${key}`);
    const length = new DataView(await blob.slice(0, 4).arrayBuffer()).getUint32(0, true);
    const envelope = JSON.parse(await blob.slice(4, 4 + length).text()) as Envelope;
    let at = 4 + length + envelope.bytes;
    for (const { key: place, bytes } of envelope.kept) {
      await this.#store.write(place, [
        new Uint8Array(await blob.slice(at, at + bytes).arrayBuffer()),
      ]);
      at += bytes;
    }
    return { envelope, body: blob.slice(4 + length, 4 + length + envelope.bytes) };
  }
}

const sizeOf = (parts: readonly Uint8Array[]): number =>
  parts.reduce((bytes, part) => bytes + part.length, 0);
