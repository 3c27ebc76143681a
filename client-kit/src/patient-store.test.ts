import { expect, test } from 'vitest';
import { patient, StorageError } from './patient-store.ts';
import { MemoryStore } from './store.ts';
import type { Store } from './store.ts';

const BYTES = [new Uint8Array([1])];
const noRoom = (): Error => Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });

/** A store whose next writes fail. */
class Failing extends MemoryStore {
  failures: Error[] = [];
  override write(...[key, parts]: Parameters<Store['write']>): Promise<void> {
    const failure = this.failures.shift();
    return failure ? Promise.reject(failure) : super.write(key, parts);
  }
}

const start = (signal = new AbortController().signal) => {
  const inner = new Failing();
  const troubles: string[] = [];
  const store = patient(inner, {
    signal,
    onFull: ({ cause }) => troubles.push(cause.message),
    wait: (_, abort) =>
      abort?.aborted ? Promise.reject(abort.reason as Error) : Promise.resolve(),
  });
  return { inner, store, troubles };
};

test.for([noRoom(), new DOMException('quota', 'QuotaExceededError')])(
  'a full storage is waited for: %s',
  async (full) => {
    const { inner, store, troubles } = start();
    inner.failures = [full, full, full];
    await store.write('outbox/j/t', BYTES);
    expect(await inner.list('')).toEqual(['outbox/j/t']);
    expect(troubles).toHaveLength(2);
    expect(troubles[0]).toContain('no room to store');
  },
);

test('first, what can be fetched again makes room; what can’t stays', async () => {
  const { inner, store, troubles } = start();
  for (const key of [
    'jobs/j/models/a',
    'jobs/j/programs/b',
    'jobs/j/executor/own/last',
    'identity',
  ])
    await inner.write(key, BYTES);
  inner.failures = [noRoom()];
  await store.write('outbox/j/t', BYTES);
  expect(await inner.list('')).toEqual(['identity', 'jobs/j/executor/own/last', 'outbox/j/t']);
  expect(troubles).toEqual([]);
});

test('a cache is not worth waiting for, and what else is broken is said', async () => {
  const { inner, store, troubles } = start();
  inner.failures = [noRoom()];
  await expect(store.write('a', BYTES, { durable: false })).rejects.toThrow(StorageError);
  inner.failures = [Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })];
  await expect(store.write('a', BYTES)).rejects.toThrow("the site's storage failed: EIO");
  await expect(store.write('../a', BYTES)).rejects.toThrow(TypeError);
  expect(troubles).toEqual([]);
});

test('the site’s end ends the wait', async () => {
  const stop = new AbortController();
  const { inner, store } = start(stop.signal);
  inner.failures = [noRoom(), noRoom()];
  stop.abort(new Error('the site has stopped'));
  await expect(store.write('a', BYTES)).rejects.toThrow('the site has stopped');
});
