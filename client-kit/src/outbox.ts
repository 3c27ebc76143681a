import type { ReturnCode } from '../../core/protocol/return-code.ts';
import type { Connection } from './connection.ts';
import { BlobCache, MODELS } from './download.ts';
import type { Remote } from './download.ts';
import { encodeFailure } from './fl-model.ts';
import type { EncodedResult } from './fl-model.ts';
import { ProblemError } from './problem-error.ts';
import type { ProblemDetails } from './problem-error.ts';
import { recast } from './recast.ts';
import { jobPrefix, scoped } from './store.ts';
import type { Store } from './store.ts';
import { TaskError } from './task-error.ts';
import { upload } from './upload.ts';
import type { Acknowledgement } from './upload.ts';

/** A result on its way. */
export interface Letter {
  readonly job: string;
  readonly task: string;
  /** Where to send it. */
  readonly url: string;
  readonly result: EncodedResult;
  /** The model that the result was made from, where the server may want FULL for DIFF or DIFF for FULL after all. */
  readonly base?: Remote | undefined;
  /** Filters that the result went through at this site. */
  readonly filters?: readonly string[] | undefined;
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
  readonly base?: Remote | undefined;
  readonly filters?: readonly string[] | undefined;
  /** The policy that it was made under. */
  readonly policy?: string | undefined;
  readonly kept: readonly { readonly key: string; readonly bytes: number }[];
}

const PREFIX = 'outbox/';
const keyOf = (job: string, task: string): string => `${PREFIX}${job}/${task}`;

/** Bytes that are not those we sent: once more, before the result is given up. */
const DAMAGED: ReadonlySet<string> = new Set(['DIGEST_MISMATCH', 'TRUNCATED']);
/** Under ANY another site's result has fixed the round's type meanwhile. */
const OTHER_TYPE: ReadonlySet<string> = new Set(['MIXED_PARAMS_TYPE', 'WRONG_PARAMS_TYPE']);

/**
 * Results that the server hasn't acknowledged. One is written whole before it is first sent and deleted once the
 * server has said accepted, duplicate, late or a final no: a site killed anywhere in between sends it again when it
 * comes back, and (task, site) makes the repetition harmless.
 */
export class Outbox {
  readonly #store: Store;
  readonly #policy: string | undefined;
  readonly #deliveries = new Map<string, Promise<Delivery>>();
  readonly #answered = new Set<string>();

  /** `policy`: what the site's owner allows now, in any words. */
  constructor(store: Store, policy?: string) {
    this.#store = store;
    this.#policy = policy;
  }

  /** Forgets what was made under another policy: its task, where it is still open, is done again. */
  async dropOthers(): Promise<void> {
    for (const key of await this.#store.list(PREFIX)) {
      const { policy } = (await this.#read(key)).envelope;
      if (policy !== this.#policy) await this.#store.delete(key);
    }
  }

  /** Makes a result durable, replacing an earlier one of the same task. */
  async put({ job, task, url, result, base, filters, kept = new Map() }: Letter): Promise<void> {
    const sizes = [...kept].map(([key, parts]) => ({ key, bytes: sizeOf(parts) }));
    const envelope: Envelope = {
      job,
      task,
      url,
      contentType: result.contentType,
      returnCode: result.returnCode,
      bytes: sizeOf(result.parts),
      base,
      filters,
      policy: this.#policy,
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
    const there = (await this.#store.read(key)) !== undefined;
    // Asked after the read: an earlier life's result may have been delivered meanwhile.
    if (this.#answered.has(key)) return 'answered';
    return there ? 'waiting' : 'none';
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

  async #deliver(
    key: string,
    connection: Connection,
    signal?: AbortSignal,
    tries = 1,
  ): Promise<Delivery> {
    const { envelope, body } = await this.#open(key);
    const { job, task, url, contentType, returnCode, bytes, filters } = envelope;
    try {
      const status = await upload(connection, { url, body, contentType, filters, signal });
      await this.#close(key);
      return { status, bytes, returnCode };
    } catch (error) {
      if (!(error instanceof ProblemError) || error.status === 401) throw error;
      const { problem } = error;
      if (returnCode !== 'OK' || problem.status !== 422) {
        await this.#close(key);
        return { status: 'refused', bytes, returnCode, problem };
      }
      if (DAMAGED.has(problem.code) && tries === 1) {
        return this.#deliver(key, connection, signal, tries + 1);
      }
      // The task is still open and would come again, with the same result: answer it otherwise, under the same name.
      const result = await this.#instead(envelope, body, problem, connection, signal);
      const kept = result.returnCode === 'OK' ? filters : undefined;
      await this.put({ job, task, url, result, filters: kept });
      const delivery = await this.#deliver(key, connection, signal);
      return result.returnCode === 'OK' ? delivery : { ...delivery, problem };
    }
  }

  /** What to say in place of a result whose content was refused: the same in the other type, or that it is none. */
  async #instead(
    { job, base }: Envelope,
    body: Blob,
    { code, detail }: ProblemDetails,
    connection: Connection,
    signal?: AbortSignal,
  ): Promise<EncodedResult> {
    if (base && OTHER_TYPE.has(code)) {
      try {
        const models = new BlobCache(connection, scoped(this.#store, jobPrefix(job)), MODELS);
        const { bytes } = await models.get(base, signal);
        return recast(new Uint8Array(await body.arrayBuffer()), bytes);
      } catch (error) {
        const gone = error instanceof ProblemError && error.status !== 401;
        if (!gone && !(error instanceof TaskError)) throw error;
      }
    }
    return encodeFailure('EXECUTION_RESULT_ERROR', { detail });
  }

  async #close(key: string): Promise<void> {
    await this.#store.delete(key);
    this.#answered.add(key);
  }

  /** Reads a letter, and puts what came to exist with it into its own place (again, after a kill: same bytes). */
  async #open(key: string): Promise<{ envelope: Envelope; body: Blob }> {
    const { blob, envelope, begin } = await this.#read(key);
    const end = begin + envelope.bytes;
    let at = end;
    for (const { key: place, bytes } of envelope.kept) {
      await this.#store.write(place, [
        new Uint8Array(await blob.slice(at, at + bytes).arrayBuffer()),
      ]);
      at += bytes;
    }
    return { envelope, body: blob.slice(begin, end) };
  }

  /** A letter as it lies there; its body begins at `begin`. */
  async #read(key: string): Promise<{ blob: Blob; envelope: Envelope; begin: number }> {
    const blob = await this.#store.read(key);
    if (!blob) throw new Error(`no result waits under ${key}`);
    const begin = 4 + new DataView(await blob.slice(0, 4).arrayBuffer()).getUint32(0, true);
    return { blob, envelope: JSON.parse(await blob.slice(4, begin).text()) as Envelope, begin };
  }
}

const sizeOf = (parts: readonly Uint8Array[]): number =>
  parts.reduce((bytes, part) => bytes + part.length, 0);
