import type { Connection } from './connection.ts';
import { digestOf } from './digest.ts';
import type { Store } from './store.ts';
import { TaskError } from './task-error.ts';

/** Where a job's models and programs lie in its storage. */
export const MODELS = 'models/';
export const PROGRAMS = 'programs/';

/** Something to fetch: its name is its SHA-256, so where it comes from and in how many pieces doesn't matter. */
export interface Remote {
  readonly digest: string;
  readonly url: string;
  /** Its size, where it is known beforehand. */
  readonly bytes?: number;
}

/**
 * Models and programs by digest, kept in the store so that a restart doesn't fetch them again. Verified on the way in
 * and on the way out: a cache is not trusted to be whole.
 */
export class BlobCache {
  readonly #connection: Connection;
  readonly #store: Store;
  readonly #prefix: string;

  constructor(connection: Connection, store: Store, prefix: string) {
    this.#connection = connection;
    this.#store = store;
    this.#prefix = prefix;
  }

  /** The bytes, at an address that is a multiple of 8, and whether they came from the cache. */
  async get(
    remote: Remote,
    signal?: AbortSignal,
  ): Promise<{ bytes: Uint8Array<ArrayBuffer>; cached: boolean }> {
    const key = this.#prefix + remote.digest;
    const bytes = await this.#cached(key);
    if (bytes && (await digestOf(bytes)) === remote.digest) return { bytes, cached: true };
    const fetched = await download(this.#connection, remote, signal);
    // A cache that can't be written costs a download after a restart, and no task.
    await this.#store.write(key, [fetched], { durable: false }).catch(() => undefined);
    return { bytes: fetched, cached: false };
  }

  /** Undefined where there is nothing, or it went while it was read: full storage drops what can be fetched again. */
  async #cached(key: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const blob = await this.#store.read(key);
      return blob && new Uint8Array(await blob.arrayBuffer());
    } catch {
      return undefined;
    }
  }

  /** Forgets all but these digests. */
  async keepOnly(digests: ReadonlySet<string>): Promise<void> {
    for (const key of await this.#store.list(this.#prefix)) {
      if (!digests.has(key.slice(this.#prefix.length))) await this.#store.delete(key);
    }
  }
}

/**
 * Fetches and verifies. A connection lost half-way goes on where it was (Range). Throws TaskError COMMUNICATION_ERROR
 * where the bytes twice don't have their digest.
 */
export const download = async (
  connection: Connection,
  remote: Remote,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> => {
  for (let attempt = 0; attempt < 2; attempt++) {
    const bytes = await fetchWhole(connection, remote, signal);
    if ((await digestOf(bytes)) === remote.digest) return bytes;
  }
  throw new TaskError('COMMUNICATION_ERROR', `what came is not ${remote.digest}`);
};

const fetchWhole = (
  connection: Connection,
  remote: Remote,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> => {
  let buffer = new Uint8Array(remote.bytes ?? 0);
  let filled = 0;
  let total = remote.bytes;
  const headers = (): Record<string, string> => {
    // A connection may break after the last byte and before the end. An empty range can't be asked for: the last byte
    // comes again.
    if (filled === total && filled > 0) filled--;
    return filled > 0 ? { range: `bytes=${filled}-`, 'if-range': `"${remote.digest}"` } : {};
  };
  return connection.send('GET', remote.url, { headers, signal }, async (answer, alive) => {
    if (answer.status !== 206) filled = 0;
    const announced = Number(answer.headers.get('content-length') ?? 0);
    if (announced > 0) total = filled + announced;
    if (filled + announced > buffer.length) buffer = grown(buffer, filled, filled + announced);
    for await (const chunk of chunksOf(answer)) {
      alive();
      const end = filled + chunk.length;
      if (end > buffer.length) buffer = grown(buffer, filled, Math.max(end, 2 * buffer.length));
      buffer.set(chunk, filled);
      filled = end;
    }
    return filled === buffer.length ? buffer : buffer.slice(0, filled);
  });
};

const grown = (
  buffer: Uint8Array<ArrayBuffer>,
  filled: number,
  size: number,
): Uint8Array<ArrayBuffer> => {
  const larger = new Uint8Array(size);
  larger.set(buffer.subarray(0, filled));
  return larger;
};

/** By a reader: Safari's streams can't be iterated. */
async function* chunksOf(answer: Response): AsyncGenerator<Uint8Array> {
  const reader = answer.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}
