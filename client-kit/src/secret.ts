import { sha256 } from './digest.ts';
import type { Store } from './store.ts';

/** Where it lies in the site's storage. It is never sent. */
const KEY = 'secret';
const BYTES = 32;

/**
 * The site's secret, of 32 random bytes: made once and kept. A store that fails rejects, rather than have a repeated task
 * draw other noise.
 */
export const secretOf = async (store: Store): Promise<Uint8Array<ArrayBuffer>> => {
  const blob = await store.read(KEY);
  if (blob?.size === BYTES) return new Uint8Array(await blob.arrayBuffer());
  const secret = crypto.getRandomValues(new Uint8Array(BYTES));
  await store.write(KEY, [secret]);
  return secret;
};

/** A key of the secret for one purpose: the same again after a kill, and no other purpose's. */
export const keyOf = (secret: Uint8Array, purpose: readonly unknown[]): Promise<Uint8Array> => {
  const text = JSON.stringify([[...secret], ...purpose]);
  return sha256(new TextEncoder().encode(text));
};
