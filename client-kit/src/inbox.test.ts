import { expect, test } from 'vitest';
import { encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { FakeServer } from '../tests/fake-server.ts';
import type { FakeTask } from '../tests/fake-server.ts';
import type { SiteEvent } from './event.ts';
import { runSite } from './site.ts';
import type { SiteOptions } from './site.ts';
import { MemoryStore } from './store.ts';

const EXECUTORS = [{ tasks: ['*'], use: 'app' }];
const MODEL: Tensors = new Map([['w', { dtype: 'F32', shape: [1], data: Float32Array.of(1) }]]);
const task = (id: string): FakeTask => ({ id, name: 'train', model: encode(MODEL) });
const ms = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));

/** A site whose code takes as long as the test wants; the fake's inbox says to ask again after 10 ms. */
const start = (server: FakeServer, options: Partial<SiteOptions> = {}) => {
  const events: SiteEvent[] = [];
  const stop = new AbortController();
  const finish: (() => void)[] = [];
  const over = runSite({
    server: server.url,
    fetch: server.fetch,
    name: 'a',
    enrolment: 'ticket',
    store: new MemoryStore(),
    signal: stop.signal,
    app: ({ params = new Map() }) =>
      new Promise((resolve) => finish.push(() => resolve({ params }))),
    onEvent: (event) => events.push(event),
    ...options,
  });
  const until = async (type: SiteEvent['type'], count = 1): Promise<void> => {
    while (events.filter((event) => event.type === type).length < count) await ms(2);
  };
  /** Lets the site's code finish a task, when it has begun. */
  const finishOne = async (): Promise<void> => {
    while (finish.length === 0) await ms(2);
    finish.shift()?.();
  };
  return { over, stop, finishOne, until, asked: () => server.count('GET', /inbox/) };
};

test('while every job of the inbox is served here it is left alone; the end of one asks at once', async () => {
  const server = new FakeServer();
  server.addJob('first', { executors: EXECUTORS }, [task('t1')]).ended = true;
  const site = start(server);
  await site.until('task');
  await ms(300);
  expect(site.asked()).toBe(1);
  server.addJob('second', { executors: EXECUTORS }, [task('t2')]).ended = true;
  await site.finishOne();
  await site.until('job', 2);
  await site.until('task', 2);
  await site.finishOne();
  await site.until('job-ended', 2);
  site.stop.abort();
  await site.over;
});

test('jobs that the site doesn’t want are no reason to ask again soon', async () => {
  const server = new FakeServer();
  server.addJob('other', { executors: EXECUTORS }, [task('t1')]);
  const site = start(server, { wants: ({ id }) => id === 'mine' });
  await site.until('joined');
  await ms(300);
  expect(site.asked()).toBe(1);
  site.stop.abort();
  await site.over;
});

test('an empty inbox, and one that still names a job that has ended, are asked as the server says', async () => {
  const server = new FakeServer();
  const site = start(server);
  await site.until('joined');
  while (site.asked() < 3) await ms(2);
  const job = server.addJob('j', { executors: EXECUTORS }, [task('t')]);
  await site.until('task');
  job.ended = true;
  const stale = { jobs: [{ id: 'j', name: 'j' }], retryAfter: 0.01 };
  server.trouble('GET', /inbox/, () => Response.json(stale), 3);
  const before = site.asked();
  await site.finishOne();
  await site.until('job-ended');
  while (site.asked() < before + 5) await ms(2);
  // It never goes: not every second for ever.
  server.trouble('GET', /inbox/, () => Response.json(stale), 1000);
  await ms(600);
  expect(site.asked()).toBeLessThan(before + 5 + 30);
  site.stop.abort();
  await site.over;
});

test('`once`: nothing is asked while the job runs, and its end is the site’s', async () => {
  const server = new FakeServer();
  server.addJob('first', { executors: EXECUTORS }, [task('t1')]).ended = true;
  server.addJob('second', { executors: EXECUTORS }, [task('t2')]).ended = true;
  const site = start(server, { once: true });
  await site.until('task');
  await ms(100);
  await site.finishOne();
  await site.over;
  expect(site.asked()).toBe(1);
  expect([...server.results.keys()]).toEqual(['t1']);
});

test('more jobs than polls may wait at a time are all served', async () => {
  const server = new FakeServer();
  const names = Array.from({ length: 8 }, (_, i) => `j${i}`);
  for (const name of names)
    server.addJob(name, { executors: [{ tasks: ['*'], use: 'add' }] }, [task(name)]).ended = true;
  let waiting = 0;
  let most = 0;
  const site = start(server, {
    waitingPolls: 3,
    fetch: async (url, init) => {
      if (!url.includes('/task?wait')) return server.fetch(url, init);
      most = Math.max(most, ++waiting);
      return server.fetch(url, init).finally(() => waiting--);
    },
  });
  await site.until('job-ended', names.length);
  site.stop.abort();
  await site.over;
  expect(server.results.size).toBe(names.length);
  expect(most).toBe(3);
});
