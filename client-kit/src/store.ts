/**
 * Bytes under names, kept by the site's runtime: files in Node, IndexedDB in a browser. Keys are `/`-separated segments
 * of `[A-Za-z0-9._-]` that don't begin with a dot.
 */
export interface Store {
  /** The bytes under a key, readable in slices without loading them whole; undefined where there are none. */
  read(key: string): Promise<Blob | undefined>;
  /**
   * Replaces a key's bytes, all or nothing. Unless `durable` is false (a cache), they have outlived a power cut once
   * this resolves.
   */
  write(
    key: string,
    parts: readonly Uint8Array<ArrayBuffer>[],
    options?: { durable?: boolean },
  ): Promise<void>;
  /** Forgets a key; one that isn't there is fine. */
  delete(key: string): Promise<void>;
  /** Keys that begin with `prefix`, sorted. */
  list(prefix: string): Promise<string[]>;
  /**
   * Takes the store for one site, and gives what lets go of it. Where another site has it, waits until that is gone, or
   * rejects with an Error that says who has it. A store without it is never shared.
   */
  lock?(signal?: AbortSignal): Promise<() => Promise<void> | void>;
}

/** Where a job's own things lie in a site's store. */
export const jobPrefix = (job: string): string => `jobs/${job}/`;

/** A key's segments. Throws TypeError on any other text: ids in keys come from a server, and may not lead elsewhere. */
export const segmentsOf = (key: string): string[] => {
  const segments = key.split('/');
  for (const segment of segments) {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/.test(segment))
      throw new TypeError(`bad key: ${key}`);
  }
  return segments;
};

/** A store that lives as long as the process: for tests and for sites that may forget. */
export class MemoryStore implements Store {
  readonly #blobs = new Map<string, Blob>();

  read(key: string): Promise<Blob | undefined> {
    return Promise.resolve(this.#blobs.get(key));
  }

  write(key: string, parts: readonly Uint8Array<ArrayBuffer>[]): Promise<void> {
    this.#blobs.set(segmentsOf(key).join('/'), new Blob([...parts]));
    return Promise.resolve();
  }

  delete(key: string): Promise<void> {
    this.#blobs.delete(key);
    return Promise.resolve();
  }

  list(prefix: string): Promise<string[]> {
    return Promise.resolve([...this.#blobs.keys()].filter((key) => key.startsWith(prefix)).sort());
  }
}

/** Reads a JSON value; undefined where there is none or it can't be read. */
export const readJson = async <T>(store: Store, key: string): Promise<T | undefined> => {
  const blob = await store.read(key);
  if (!blob) return undefined;
  try {
    return JSON.parse(await blob.text()) as T;
  } catch {
    return undefined;
  }
};

export const writeJson = (store: Store, key: string, value: unknown): Promise<void> =>
  store.write(key, [new TextEncoder().encode(JSON.stringify(value))]);

/** Deletes all keys that begin with `prefix`. */
export const deleteAll = async (store: Store, prefix: string): Promise<void> => {
  for (const key of await store.list(prefix)) await store.delete(key);
};

/** A part of a store: keys are relative to `prefix`. */
export const scoped = (store: Store, prefix: string): Store => ({
  read: (key) => store.read(prefix + key),
  write: (key, parts, options) => store.write(prefix + key, parts, options),
  delete: (key) => store.delete(prefix + key),
  list: async (inner) => (await store.list(prefix + inner)).map((key) => key.slice(prefix.length)),
});
