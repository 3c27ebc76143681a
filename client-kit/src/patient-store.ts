import { backoffMS, pause } from './backoff.ts';
import type { Pause } from './backoff.ts';
import { MODELS, PROGRAMS } from './download.ts';
import type { Store } from './store.ts';

/** The site's own storage failed: no fault of a task, and nothing that its server should hear of. */
export class StorageError extends Error {
  constructor(cause: unknown) {
    super(`the site's storage failed: ${messageOf(cause)}`, { cause });
    this.name = 'StorageError';
  }
}

export interface Patience {
  readonly signal: AbortSignal;
  /** The storage is full: the write is tried again after `waitMS`. */
  readonly onFull: (trouble: { readonly waitMS: number; readonly cause: Error }) => void;
  readonly wait?: Pause;
}

/** Least time between two tries: somebody has to make room. */
const WAIT_MS = 5000;

/**
 * A store that is never too full: a durable write that finds no room first drops what can be fetched again, then waits
 * until there is some, or the signal aborts. What else goes wrong rejects with StorageError; a bad key, as ever, with
 * TypeError.
 */
export const patient = (store: Store, { signal, onFull, wait = pause }: Patience): Store => {
  const guarded = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      throw error instanceof TypeError || signal.aborted ? error : new StorageError(error);
    }
  };
  const write: Store['write'] = async (key, parts, options) => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await store.write(key, parts, options);
      } catch (error) {
        if (!isFull(error) || options?.durable === false) throw error;
        signal.throwIfAborted();
        if (attempt === 0) {
          await dropCaches(store);
          continue;
        }
        const waitMS = WAIT_MS + backoffMS(attempt, Math.random);
        onFull({ waitMS, cause: new Error(`no room to store: ${messageOf(error)}`) });
        await wait(waitMS, signal);
      }
    }
  };
  return {
    read: (key) => guarded(store.read(key)),
    write: (key, parts, options) => guarded(write(key, parts, options)),
    delete: (key) => guarded(store.delete(key)),
    list: (prefix) => guarded(store.list(prefix)),
  };
};

const dropCaches = async (store: Store): Promise<void> => {
  for (const key of await store.list('jobs/')) {
    const [, , folder = ''] = key.split('/');
    if (`${folder}/` === MODELS || `${folder}/` === PROGRAMS) await store.delete(key);
  }
};

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** Node's words (errno) and the browser's for a storage without room. */
const isFull = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'QuotaExceededError' ||
    ('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')));
