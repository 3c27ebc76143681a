import { IndexedDbStore } from '../../../client-kit/src/browser.ts';

/** The data that this device trains on, as files that the browser keeps. */
export interface Chosen {
  readonly source: 'sample' | 'files';
  readonly files: readonly { readonly name: string; readonly size: number }[];
}

/** What this page must know again after a reload. */
export interface Memory {
  /** From the link; forgotten as soon as this device has a key of its own. */
  readonly enrolment?: string;
  readonly name?: string;
  readonly data?: Chosen;
  /** The person said yes. */
  readonly agreed?: boolean;
  /** The server knows this device. */
  readonly joined?: boolean;
  readonly paused?: boolean;
  /** Goes on in the background. */
  readonly background?: boolean;
}

const KEY = 'page/memory';
const FILES = 'page/files/';

/** Where the kit keeps this device's key and its unsent results; the page's own things lie beside them. */
export const STORAGE = 'tributary';
const store = new IndexedDbStore(STORAGE);

export const remembered = async (): Promise<Memory> => {
  const blob = await store.read(KEY);
  return blob ? (JSON.parse(await blob.text()) as Memory) : {};
};

/** Changes what is remembered; undefined forgets a field. */
export const remember = async (
  change: Readonly<{ [K in keyof Memory]?: Memory[K] | undefined }>,
): Promise<Memory> => {
  const memory = { ...(await remembered()), ...change } as Memory;
  await store.write(KEY, [new TextEncoder().encode(JSON.stringify(memory))]);
  return memory;
};

/** Keeps copies of the files to train on, in place of those before. Rejects where the browser has no room for them. */
export const keepFiles = async (files: readonly File[]): Promise<Chosen['files']> => {
  await dropFiles();
  for (const [i, file] of files.entries()) {
    await store.write(FILES + i, [new Uint8Array(await file.arrayBuffer())]);
  }
  return files.map(({ name, size }) => ({ name, size }));
};

/** The kept files, by the names that they had. */
export const keptFiles = async ({ files }: Chosen): Promise<File[]> => {
  const kept = files.map(async ({ name }, i) => {
    const blob = await store.read(FILES + i);
    if (!blob) throw new Error(`${name} is no longer in this browser's storage`);
    return new File([blob], name);
  });
  return Promise.all(kept);
};

const dropFiles = async (): Promise<void> => {
  for (const key of await store.list(FILES)) await store.delete(key);
};

/** Deletes everything that this origin's pages and their site ever kept. */
export const forgetAll = async (): Promise<void> => {
  for (const key of await store.list('')) await store.delete(key);
};
