import { expect, test } from 'vitest';
import { encode } from '../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../tests/serve.ts';
import { MemoryStore } from '../store.ts';
import type { ApprovalRequest } from './approval.ts';
import { sitePolicy } from './site-policy.ts';

const start = (...tasks: string[]): FakeServer => {
  const server = new FakeServer();
  const model = encode(numbers(3, 4));
  const all = tasks.map((id) => ({ id, name: 'train', model }));
  server.addJob('j', { executors: [{ tasks: ['*'], use: 'add' }] }, all).ended = true;
  return server;
};
const codeOf = (server: FakeServer, task: string): unknown =>
  server.tensorsOf(task).header['return_code'];

test('nothing of a job is asked for before its owner has said yes', async () => {
  const server = start('t');
  const asked: ApprovalRequest[] = [];
  await serve(server, ended, {
    approve: async (job) => {
      asked.push(job);
      expect(server.count('GET', /task\?|blobs/)).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(server.count('GET', /task\?|blobs/)).toBe(0);
      return true;
    },
  });
  expect(asked).toMatchObject([{ id: 'j', server: server.url, site: 'hospital-a' }]);
  expect(codeOf(server, 't')).toBe('OK');
});

test('a no answers each task with UNSAFE_JOB', async () => {
  const server = start('t', 'u');
  let times = 0;
  await serve(server, ended, {
    approve: () => {
      times++;
      return Promise.resolve(false);
    },
  });
  expect([codeOf(server, 't'), codeOf(server, 'u')]).toEqual(['UNSAFE_JOB', 'UNSAFE_JOB']);
  expect(times).toBe(1);
});

test('the answer outlives a restart, and goes with the job', async () => {
  const server = start('t', 'u');
  const store = new MemoryStore();
  let times = 0;
  const approve = (): Promise<boolean> => {
    times++;
    return Promise.resolve(true);
  };
  await serve(server, (event) => event.type === 'submitted', { store, approve });
  expect(codeOf(server, 't')).toBe('OK');
  await serve(server, ended, { store, approve });
  expect(codeOf(server, 'u')).toBe('OK');
  expect(times).toBe(1);
  expect(await store.list('jobs/')).toEqual([]);
});

test('nobody is asked about what the policy refuses anyway', async () => {
  const server = start('t');
  await serve(server, ended, {
    policy: sitePolicy({ version: 1, jobs: [{ names: ['other'] }] }),
    approve: () => Promise.reject(new Error('was asked')),
  });
  expect(codeOf(server, 't')).toBe('UNSAFE_JOB');
});
