import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env as bound } from 'cloudflare:workers';
import { afterEach, expect, test, vi } from 'vitest';
import type { Fault } from '../core/protocol/fault.ts';
import { LIMITS } from '../core/protocol/limits.ts';
import { uploadInitial } from '../tests/workerd/job-fixture.ts';
import { Directory } from './directory/directory.ts';
import { DirectoryOutbox, type Message } from './directory/outbox.ts';
import type { DirectoryObject } from './directory-object.ts';
import type { Env } from './env.ts';
import { hashOf } from './directory/site-token.ts';
import type { DirectoryStub, JobStub } from './stubs.ts';

const env = { ...(bound as unknown as Env), TOKEN_KEY: '11'.repeat(32) };
let made = 0;
afterEach(() => vi.restoreAllMocks());

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

const addJob = (
  storage: DurableObjectStorage,
  id: string,
  { status = 'RUNNING', deploy = ['@all'] }: { status?: string; deploy?: string[] } = {},
): void => {
  storage.sql.exec(
    `INSERT INTO jobs (id, name, status, seq, submitted, deploy, state, finished)
     VALUES (?, 'n', ?, 1, 0, ?, 'ready', ?)`,
    id,
    status,
    JSON.stringify(deploy),
    status.startsWith('FINISHED') ? 1 : 0,
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

test('a revocation reaches finished jobs too: unfinished first, the others in pages', async () => {
  let reachable = true;
  const told: string[] = [];
  const jobs = (id: string) => ({
    revoke: async () => (reachable ? void told.push(id) : unreachable()),
  });
  const ids = (letter: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${letter}${String(i).padStart(4, '0')}`);
  await withJobs(fresh(), jobs, async (directory, storage) => {
    enrol(directory, 'alpha');
    enrol(directory, 'beta');
    const finished = ids('f', 450);
    for (const id of finished) addJob(storage, id, { status: 'FINISHED:COMPLETED' });
    addJob(storage, 'elsewhere', { deploy: ['beta'] });
    addJob(storage, 'elsewhen', { deploy: ['beta'], status: 'FINISHED:ABORTED' });
    addJob(storage, 'a-running');
    expect(await directory.revokeSite('alpha')).toEqual({
      ok: true,
      value: { site: 'alpha', pending: [] },
    });
    expect(told[0]).toBe('a-running');
    expect(told.toSorted()).toEqual(['a-running', ...finished]);
    for (const table of ['outbox', 'revocations']) {
      expect(rows(storage, `SELECT * FROM ${table}`), table).toEqual([]);
    }

    // Where one can't be reached, the request tells what is owed, and the alarm brings all of it.
    told.length = 0;
    reachable = false;
    const first = await directory.revokeSite('beta');
    const pending = first.ok ? first.value.pending : [];
    expect(pending).toEqual(expect.arrayContaining(['a-running', 'elsewhere', 'f0449']));
    reachable = true;
    const owed = 'SELECT site FROM outbox UNION ALL SELECT site FROM revocations';
    let now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now);
    while (rows(storage, owed).length > 0) {
      expect(await storage.getAlarm()).not.toBeNull();
      // By the clock, not by what is stored: an alarm in the past would ring for the object itself, whose jobs are real.
      now += 61_000;
      await directory.alarm();
    }
    expect(told.toSorted()).toEqual(['a-running', 'elsewhen', 'elsewhere', ...finished].toSorted());
  });
});

test('the inbox: jobs that can go on before suspended ones, newer before older', async () => {
  await withJobs(
    fresh(),
    () => ({}),
    async (directory, storage) => {
      enrol(directory, 'alpha');
      const ids = Array.from(
        { length: LIMITS.inboxJobs + 2 },
        (_, i) => `j${String(i).padStart(4, '0')}`,
      );
      const listed = () => {
        const inbox = directory.inbox({ role: 'site', name: 'alpha', generation: 1 });
        return inbox.ok ? inbox.value.jobs.map(({ id }) => id) : [];
      };
      const most = ids.slice(0, LIMITS.inboxJobs);
      for (const id of most) addJob(storage, id);
      expect(listed()).toEqual(most);
      const [newest = '', late = ''] = ids.slice(LIMITS.inboxJobs).toReversed();
      addJob(storage, late, { status: 'SUSPENDED' });
      expect(listed(), 'a suspended job waits behind those that can go on').toEqual(most);
      addJob(storage, newest);
      expect(listed(), 'a hundred older ones do not keep it out').toEqual([
        ...most.slice(1),
        newest,
      ]);
      storage.sql.exec(`UPDATE jobs SET status = 'SUSPENDED' WHERE id < ?`, late);
      expect(listed()).toEqual([...most.slice(2), late, newest]);
    },
  );
});

test('a clone is answered again under its key when its source is gone', async () => {
  const spec = {
    name: 'n',
    model: await uploadInitial(),
    workflows: [{ id: 'c', use: 'cross-site-eval' }],
    executors: [{ tasks: ['*'], use: 'add' }],
  };
  const jobs = () =>
    ({
      spec: async () => ({ ok: true, value: spec }),
      create: async () => ({ ok: true, value: null }),
      destroy: async () => null,
    }) as unknown as Partial<JobStub>;
  await withJobs(fresh(), jobs, async (directory, storage) => {
    addJob(storage, 'j1', { status: 'FINISHED:COMPLETED' });
    const first = await directory.clone('j1', 'key');
    expect(first).toMatchObject({ ok: true, value: { name: 'n' } });
    await directory.remove('j1');
    expect(await directory.clone('j1', 'key')).toEqual(first);
    expect(await directory.clone('j1', 'other')).toMatchObject({
      error: { reason: 'not-found' },
    });
  });
});

test('an enrolment asked for again is the same after the key was rotated, and works', async () => {
  await withJobs(
    fresh(),
    () => ({}),
    async (directory, storage) => {
      const request = { uses: 1, expiresIn: 60 };
      const first = directory.enrol(request, 'key');
      if (!first.ok) throw new Error('no enrolment');
      const fresh = { ...env, TOKEN_KEY: '22'.repeat(32) };
      const rotated = new Directory(storage, { ...fresh, TOKEN_KEY_PREVIOUS: env.TOKEN_KEY });
      expect(rotated.enrol(request, 'key')).toEqual(first);
      const grant = rotated.register(first.value.token, { name: 'alpha' }, 'key');
      expect(grant.ok).toBe(true);
      // With the old key gone nobody can make that token again; the one that was given is still good.
      const later = new Directory(storage, fresh);
      expect(later.enrol(request, 'key')).toMatchObject({ error: { reason: 'conflict' } });
      expect(later.mayEnrol(first.value.token, 'key').ok).toBe(true);
      expect(later.register(first.value.token, { name: 'alpha' }, 'key')).toMatchObject({
        ok: true,
        value: { site: 'alpha' },
      });
    },
  );
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
