import { env } from 'cloudflare:workers';
import { runInDurableObject } from 'cloudflare:test';
import { afterEach, expect, test, vi } from 'vitest';
import { constant, newJob, site } from '../../tests/workerd/job-fixture.ts';
import type { TestJob } from '../../tests/workerd/job-fixture.ts';
import type { Env } from '../env.ts';

const bindings = env as unknown as Env;
afterEach(() => {
  vi.restoreAllMocks();
});

const SITES = Array.from({ length: 150 }, (_, n) => `site-${String(n).padStart(3, '0')}`);
/** Rows that a call reads and writes, indexed look-ups of one or few: less than there are sites. */
const FEW = 100;

/** Counts the rows that the object reads and writes during a call. */
async function rowsOf(job: TestJob, call: () => Promise<unknown>): Promise<number> {
  const cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
  const stub = bindings.JOB.get(bindings.JOB.idFromName(job.id));
  await runInDurableObject(stub, (_, { storage }) => {
    const sql = Object.getPrototypeOf(storage.sql) as SqlStorage;
    const { exec } = sql;
    vi.spyOn(sql, 'exec').mockImplementation(function (this: SqlStorage, ...args) {
      const cursor = exec.apply(this, args);
      cursors.push(cursor);
      return cursor;
    });
  });
  await call();
  vi.restoreAllMocks();
  return cursors.reduce((sum, { rowsRead, rowsWritten }) => sum + rowsRead + rowsWritten, 0);
}

test.each<[string, object, boolean]>([
  ['all must answer', {}, false],
  ['the first to come, with failures among them', { minResponses: 100, waitAfterMin: 60 }, true],
  ['with an assignment timeout', { assignmentTimeout: 600 }, false],
])(
  'in the second round of many sites no call of one site reads the others: %s',
  async (_, args, failing) => {
    const workflows = [
      { id: 'train', use: 'fed-avg', args: { rounds: 3, selection: 'none', ...args } },
    ];
    const job = await newJob({ workflows }, { sites: SITES });
    for (const name of SITES) await job.poll(name);
    const reply = async (name: string, value = 1) => {
      const { id } = await job.task(name);
      return job.reply(name, id, { params_type: 'FULL' }, constant(value));
    };
    for (const name of SITES) await reply(name);
    expect((await job.view()).round).toBe(1);
    const [one = '', two = '', three = '', ...others] = SITES;
    const half = others.slice(0, 75);
    if (failing) {
      const { id } = await job.task(three);
      await job.reply(three, id, { return_code: 'EXECUTION_EXCEPTION' });
    }
    for (const name of half) await reply(name);
    await job.task(two);
    const cost = {
      poll: await rowsOf(job, () => job.task(one)),
      lease: await rowsOf(job, () => job.call((stub) => stub.lease(site(one), 't2'))),
      commit: await rowsOf(job, () => job.reply(two, 't2', { params_type: 'FULL' }, constant(1))),
    };
    expect((await job.view()).round).toBe(1);
    for (const [call, rows] of Object.entries(cost)) {
      expect(rows, `rows of a ${call}`).toBeGreaterThan(0);
      expect(rows, `rows of a ${call}`).toBeLessThan(FEW);
    }
  },
);
