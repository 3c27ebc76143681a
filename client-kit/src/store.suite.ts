import { expect, test } from 'vitest';
import type { Store } from './store.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const read = async (store: Store, key: string): Promise<string | undefined> =>
  (await store.read(key))?.text();

/** What every {@link Store} does. `make` gives an empty one, `again` a second one over the same bytes, as a restart has. */
export const storeSuite = (make: () => Store, again?: (store: Store) => Store): void => {
  test('reads back what was written, in slices too, and replaces it whole', async () => {
    const store = make();
    expect(await store.read('a/b')).toBeUndefined();
    await store.write('a/b', [bytes('hello '), bytes('world')]);
    expect(await read(store, 'a/b')).toBe('hello world');
    expect(await (await store.read('a/b'))?.slice(3, 8).text()).toBe('lo wo');
    await store.write('a/b', [bytes('bye')], { durable: false });
    expect(await read(store, 'a/b')).toBe('bye');
    await store.write('empty', []);
    expect(await read(store, 'empty')).toBe('');
  });

  test('lists keys by prefix, sorted, and forgets', async () => {
    const store = make();
    for (const key of ['jobs/1/x', 'jobs/1/models/b', 'jobs/10/y', 'outbox/1', 'jobs/1/models/a']) {
      await store.write(key, [bytes(key)]);
    }
    expect(await store.list('jobs/1/')).toEqual(['jobs/1/models/a', 'jobs/1/models/b', 'jobs/1/x']);
    expect(await store.list('jobs/1')).toHaveLength(4);
    expect(await store.list('nothing/')).toEqual([]);
    expect(await store.list('')).toHaveLength(5);
    await store.delete('jobs/1/x');
    await store.delete('jobs/1/x');
    expect(await read(store, 'jobs/1/x')).toBeUndefined();
    expect(await store.list('jobs/1/')).toHaveLength(2);
  });

  test.for(['../x', 'a/../b', '/etc/x', 'a//b', '.hidden', 'a/.b', '', 'a\\b', 'a\0b'])(
    'refuses the key %j: ids come from a server',
    async (key) => {
      const store = make();
      await expect(async () => store.write(key, [bytes('x')])).rejects.toThrow(TypeError);
      expect(await store.list('')).toEqual([]);
    },
  );

  test('outlives its instance', async ({ skip }) => {
    skip(!again, 'forgets with the process, by design');
    if (!again) return;
    const store = make();
    await store.write('jobs/1/own/last', [bytes('weights')]);
    expect(await read(again(store), 'jobs/1/own/last')).toBe('weights');
    expect(await again(store).list('')).toEqual(['jobs/1/own/last']);
  });
};
