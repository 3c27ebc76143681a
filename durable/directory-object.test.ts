import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env as bound } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import type { Fault } from '../core/protocol/fault.ts';
import { Directory } from './directory.ts';
import { DirectoryOutbox, type Message } from './directory-outbox.ts';
import type { DirectoryObject } from './directory-object.ts';
import type { Env } from './env.ts';
import { hashOf } from './site-token.ts';
import type { DirectoryStub, JobStub } from './stubs.ts';

const env = { ...(bound as unknown as Env), TOKEN_KEY: '11'.repeat(32) };
let made = 0;

/** A directory of its own, on real storage. */
const fresh = () => env.DIRECTORY.get(env.DIRECTORY.idFromName(`test-${++made}`));

/** Runs `use` with a directory whose jobs are what `jobs` makes of them. */
const withJobs = (
  stub: DurableObjectStub,
  jobs: (id: string) => Partial<JobStub>,
  use: (directory: Directory, storage: DurableObjectStorage) => Promise<void>,
): Promise<void> =>
  runInDurableObject(stub as DurableObjectStub<DirectoryObject>, async (_, { storage }) => {
    const JOB = { idFromName: (id: string) => id, get: jobs } as unknown as DurableObjectNamespace;
    await use(new Directory(storage, { ...env, JOB }), storage);
  });

const rows = (storage: DurableObjectStorage, sql: string) => storage.sql.exec(sql).toArray();
const unreachable = () => Promise.reject(new Error('unreachable'));

const addJob = (storage: DurableObjectStorage, id: string): void => {
  storage.sql.exec(
    `INSERT INTO jobs (id, name, status, seq, submitted, deploy, state, finished)
     VALUES (?, 'n', 'RUNNING', 1, 0, '["@all"]', 'ready', 0)`,
    id,
  );
};

const enrol = (directory: Directory, name: string, key: string | null = null) => {
  const enrolment = directory.enrol({ uses: 1, expiresIn: 60 }, null);
  if (!enrolment.ok) throw new Error('no enrolment');
  return {
    token: enrolment.value.token,
    grant: directory.register(enrolment.value.token, { name }, key),
  };
};

test('tokens are stored as hashes only', async () => {
  await withJobs(
    fresh(),
    () => ({}),
    async (directory, storage) => {
      const { token, grant } = enrol(directory, 'alpha', 'key');
      const kept = JSON.stringify(
        ['enrolments', 'sites', 'idempotency'].map((table) =>
          rows(storage, `SELECT * FROM ${table}`),
        ),
      );
      expect(kept).toContain(hashOf(token));
      expect(kept).not.toContain(token);
      expect(grant.ok && kept.includes(grant.value.token)).toBe(false);
    },
  );
});

test('a revocation that a job has not heard stays pending, and the alarm brings it', async () => {
  const stub = fresh();
  let reachable = false;
  const told: [string, string, number][] = [];
  const jobs = (id: string) => ({
    revoke: async (site: string, generation: number) =>
      reachable ? void told.push([id, site, generation]) : unreachable(),
  });
  await withJobs(stub, jobs, async (directory, storage) => {
    enrol(directory, 'alpha');
    addJob(storage, 'j1');
    addJob(storage, 'j2');
    expect(await directory.revokeSite('alpha')).toEqual({
      ok: true,
      value: { site: 'alpha', pending: ['j1', 'j2'] },
    });
    expect(directory.generation('alpha')).toEqual({ generation: 2, status: 'revoked' });
    expect(await storage.getAlarm()).not.toBeNull();
    reachable = true;
    storage.sql.exec('UPDATE outbox SET due = 0');
    await directory.alarm();
    expect(told.toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
      ['j1', 'alpha', 2],
      ['j2', 'alpha', 2],
    ]);
    expect(rows(storage, 'SELECT * FROM outbox')).toEqual([]);
    // A name enrolled again has a generation above the one that jobs refuse.
    const { grant } = enrol(directory, 'alpha');
    expect(grant.ok).toBe(true);
    expect(directory.generation('alpha')).toEqual({ generation: 3, status: 'active' });
  });
});

test('a removal that fails hides the job at once and is done later', async () => {
  let reachable = false;
  const jobs = () => ({ destroy: async () => (reachable ? null : unreachable()) });
  await withJobs(fresh(), jobs, async (directory, storage) => {
    addJob(storage, 'j1');
    const first = await directory.remove('j1');
    expect(!first.ok && first.error.reason).toBe('unavailable');
    expect(directory.jobs({ limit: 10 })).toEqual({ ok: true, value: { jobs: [], next: null } });
    reachable = true;
    expect(await directory.remove('j1')).toEqual({ ok: true, value: null });
    expect(await directory.remove('j1')).toMatchObject({ ok: false });
    expect(rows(storage, 'SELECT * FROM jobs')).toEqual([]);
  });
});

test('news of a job are taken in any order: the newest wins', async () => {
  await withJobs(
    fresh(),
    () => ({}),
    async (directory, storage) => {
      addJob(storage, 'j1');
      directory.jobChanged({ id: 'j1', status: 'FINISHED:COMPLETED', seq: 5 });
      directory.jobChanged({ id: 'j1', status: 'RUNNING', seq: 4 });
      directory.jobChanged({ id: 'j1', status: 'RUNNING', seq: 5 });
      directory.jobChanged({ id: 'gone', status: 'RUNNING', seq: 9 });
      const { value } = directory.jobs({ limit: 10 });
      expect(value.jobs.map(({ status }) => status)).toEqual(['FINISHED:COMPLETED']);
    },
  );
});

test('the inbox answers at once while a job wants the site, else much later', async () => {
  await withJobs(
    fresh(),
    () => ({}),
    async (directory, storage) => {
      enrol(directory, 'alpha');
      const alpha = { role: 'site', name: 'alpha', generation: 1 } as const;
      const waits = Array.from({ length: 200 }, () => {
        const inbox = directory.inbox(alpha);
        return inbox.ok ? inbox.value.retryAfter : Number.NaN;
      });
      expect(Math.min(...waits)).toBeGreaterThanOrEqual(15);
      expect(Math.max(...waits)).toBeLessThanOrEqual(60);
      expect(new Set(waits).size).toBeGreaterThan(10);
      addJob(storage, 'j1');
      expect(directory.inbox(alpha)).toEqual({
        ok: true,
        value: { jobs: [{ id: 'j1', name: 'n' }], retryAfter: 1 },
      });
      const older = directory.inbox({ ...alpha, generation: 2 });
      expect(!older.ok && older.error.reason).toBe('unauthorized');
    },
  );
});

test('a message goes once, in order, and a refusal for good is told', async () => {
  const settled: [string, Message['kind'], Fault | null][] = [];
  const sent: string[] = [];
  const fault: Fault = { reason: 'storage-full', detail: 'full' };
  const job: Partial<JobStub> = {
    create: async () => {
      sent.push('create');
      return { ok: false, error: fault };
    },
    revoke: async () => sent.push('revoke'),
  };
  await runInDurableObject(
    fresh() as DurableObjectStub<DirectoryObject>,
    async (_, { storage }) => {
      const JOB = {
        idFromName: (id: string) => id,
        get: () => job,
      } as unknown as DurableObjectNamespace;
      const outbox = new DirectoryOutbox(storage, { ...env, JOB }, (id, message, why) =>
        settled.push([id, message.kind, why]),
      );
      outbox.put('j', { kind: 'create', job: {} as never, key: null }, 0);
      outbox.put('j', { kind: 'revoke', site: 's', generation: 2 }, 0);
      await Promise.all([outbox.deliver('j'), outbox.deliver('j'), outbox.deliver('j')]);
    },
  );
  expect(sent).toEqual(['create', 'revoke']);
  expect(settled).toEqual([
    ['j', 'create', fault],
    ['j', 'revoke', null],
  ]);
});

test('what was decided outlives an eviction, and the alarm is armed again', async () => {
  const stub = fresh();
  const directory = stub as unknown as DirectoryStub;
  await withJobs(
    stub,
    () => ({ destroy: unreachable }),
    async (own, storage) => {
      addJob(storage, 'j1');
      await own.remove('j1');
      await storage.deleteAlarm();
    },
  );
  await evictDurableObject(stub);
  expect(await directory.remove('j1')).toMatchObject({ ok: true });
  expect(await runDurableObjectAlarm(stub)).toBe(true);
});
