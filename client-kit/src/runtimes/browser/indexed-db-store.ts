import { segmentsOf } from '../../store.ts';
import type { Store } from '../../store.ts';

const BLOBS = 'blobs';

/** A store in IndexedDB, in a database of its own: it outlives reloads and crashes of the page. */
export class IndexedDbStore implements Store {
  readonly #name: string;
  #opening: Promise<IDBDatabase> | undefined;

  constructor(name = 'tributary') {
    this.#name = name;
  }

  async read(key: string): Promise<Blob | undefined> {
    return this.#do<Blob | undefined>('readonly', (blobs) => blobs.get(key));
  }

  async write(
    key: string,
    parts: readonly Uint8Array<ArrayBuffer>[],
    { durable = true }: { durable?: boolean } = {},
  ): Promise<void> {
    const path = segmentsOf(key).join('/');
    const blob = new Blob([...parts]);
    await this.#do('readwrite', (blobs) => blobs.put(blob, path), durable ? 'strict' : 'relaxed');
  }

  async delete(key: string): Promise<void> {
    await this.#do('readwrite', (blobs) => blobs.delete(key));
  }

  async list(prefix: string): Promise<string[]> {
    const range = prefix === '' ? null : IDBKeyRange.bound(prefix, `${prefix}\uffff`);
    return (await this.#do('readonly', (blobs) => blobs.getAllKeys(range))) as string[];
  }

  /** One tab at a time: waits until the one that has it is closed or lets go. */
  lock(signal?: AbortSignal): Promise<() => void> {
    return new Promise((taken, failed) => {
      navigator.locks
        .request(
          `tributary:${this.#name}`,
          { ...(signal && { signal }) },
          () => new Promise<void>((letGo) => taken(letGo)),
        )
        .catch(failed);
    });
  }

  /** Resolves when the transaction is complete, not merely the request: only then do the bytes stay. */
  async #do<T>(
    mode: IDBTransactionMode,
    request: (blobs: IDBObjectStore) => IDBRequest<T>,
    durability: IDBTransactionDurability = 'default',
  ): Promise<T> {
    const database = await (this.#opening ??= this.#open());
    return new Promise((resolve, reject) => {
      const transaction = database.transaction(BLOBS, mode, { durability });
      const answer = request(transaction.objectStore(BLOBS));
      transaction.oncomplete = () => resolve(answer.result);
      transaction.onabort = () => reject(transaction.error ?? new Error('IndexedDB: aborted'));
    });
  }

  #open(): Promise<IDBDatabase> {
    return new Promise<IDBDatabase>((resolve, reject) => {
      const opening = indexedDB.open(this.#name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(BLOBS);
      opening.onsuccess = () => {
        const database = opening.result;
        // The browser may close it (storage cleared, profile moved): the next use opens it anew.
        database.onclose = () => (this.#opening = undefined);
        resolve(database);
      };
      opening.onerror = () => {
        this.#opening = undefined;
        reject(opening.error ?? new Error('IndexedDB can not be opened'));
      };
    });
  }
}
