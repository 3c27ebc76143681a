import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encode } from '../../../../core/tensors/safetensors.ts';
import { FakeServer } from '../../../tests/fake-server.ts';
import { ended, numbers, serve } from '../../../tests/serve.ts';
import type { Fetch } from '../../connection.ts';
import { sitePolicy } from '../../policy/site-policy.ts';
import { MemoryStore } from '../../store.ts';
import { headFile, readAudit } from './audit-chain.ts';
import type { AuditEntry } from './audit-chain.ts';
import { AuditLog } from './audit-log.ts';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'audit-'));
  file = join(dir, 'audit.jsonl');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array | string): string =>
  `sha256-${createHash('sha256').update(bytes).digest('hex')}`;
const lines = async (): Promise<string[]> =>
  (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
const faults = async (): Promise<readonly string[]> => (await readAudit(file)).faults;

/** Records bodies of these texts. */
const write = async (...bodies: string[]): Promise<void> => {
  const log = await AuditLog.open(file, () => 0);
  const url = 'https://fl.test/v1/jobs/j/tasks/t/result';
  for (const body of bodies)
    await log.record({ method: 'PUT', url, body, job: 'j', task: 't', filters: ['site:clip'] });
  await log.close();
};

test('a line says what went where, and is its owner’s only', async () => {
  await write('hello', 'world');
  const [first = '', second = ''] = await lines();
  expect(JSON.parse(first)).toEqual({
    seq: 1,
    time: '1970-01-01T00:00:00.000Z',
    method: 'PUT',
    to: 'https://fl.test/v1/jobs/j/tasks/t/result',
    job: 'j',
    task: 't',
    filters: ['site:clip'],
    bytes: 5,
    digest: 'sha256-2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    previous: '',
  });
  expect(JSON.parse(second)).toMatchObject({ seq: 2, previous: sha256(first) });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readAudit(file)).toMatchObject({ entries: 2, torn: 0, faults: [] });
});

test('a restart goes on with the chain', async () => {
  await write('a');
  await write('b', 'c');
  expect(await readAudit(file)).toMatchObject({ entries: 3, faults: [], head: { lines: 3 } });
});

test.each([
  ['first', 0, 2],
  ['middle', 1, 2],
  ['last', 2, 1],
])('a removed line shows: the %s', async (_, at, count) => {
  await write('a', 'b', 'c');
  const all = await lines();
  await writeFile(
    file,
    all
      .toSpliced(at, 1)
      .map((line) => `${line}\n`)
      .join(''),
  );
  expect(await faults()).toHaveLength(count);
  await expect(AuditLog.open(file)).rejects.toThrow('is not as it was written');
});

test.each([
  ['changed', (all: string[]) => all.with(1, all[1]!.replace('"bytes":1', '"bytes":9'))],
  ['put in', (all: string[]) => all.toSpliced(1, 0, all[1]!)],
  ['exchanged', (all: string[]) => [all[1]!, all[0]!, all[2]!]],
  ['made unreadable', (all: string[]) => all.with(1, 'x')],
])('a line that was %s shows', async (_, change) => {
  await write('a', 'b', 'c');
  await writeFile(
    file,
    change(await lines())
      .map((line) => `${line}\n`)
      .join(''),
  );
  expect(await faults()).not.toEqual([]);
});

test('the end can not be cut off by removing its note', async () => {
  await write('a', 'b', 'c');
  await rm(headFile(file));
  expect(await faults()).toEqual([`${headFile(file)}, which notes the end, is missing`]);
});

test('a line that a crash cut short is kept, and the record goes on', async () => {
  await write('a', 'b');
  await appendFile(file, '{"seq":3,"ti');
  expect(await readAudit(file)).toMatchObject({ entries: 2, torn: 1, open: true, faults: [] });
  await write('c');
  expect(await readAudit(file)).toMatchObject({ entries: 3, torn: 1, open: false, faults: [] });
});

test('a crash just before a newline: the line counts, and the record goes on', async () => {
  await write('a', 'b');
  await truncate(file, (await stat(file)).size - 1);
  expect(await readAudit(file)).toMatchObject({ entries: 2, torn: 0, open: true, faults: [] });
  await write('c');
  expect(await readAudit(file)).toMatchObject({ entries: 3, torn: 0, open: false, faults: [] });
});

test('two sites do not write to one record', async () => {
  const [one, other] = [await AuditLog.open(file), await AuditLog.open(file)];
  const sending = { method: 'PUT', url: 'https://fl.test/x', body: 'a' };
  await one.record(sending);
  await expect(other.record(sending)).rejects.toThrow('was written to by someone else');
  await expect(other.record(sending)).rejects.toThrow('was written to by someone else');
  await Promise.all([one.close(), other.close()]);
});

test('every body of a site is on the disk before it leaves, repetitions too', async () => {
  const server = new FakeServer();
  const executors = [{ tasks: ['*'], use: 'add', args: { transferType: 'DIFF' } }];
  server.addJob('j', { executors }, [
    { id: 't', name: 'train', model: encode(numbers(3, 4)) },
    { id: 'u', name: 'validate', model: encode(numbers(3, 4)) },
  ]).ended = true;
  server.trouble('PUT', /tasks\/t\/result/, 'lose-answer');
  const log = await AuditLog.open(file);
  const sent: string[] = [];
  const fetch: Fetch = async (url, init) => {
    const bytes = new Uint8Array(await new Response(init.body ?? null).arrayBuffer());
    if (init.body !== undefined) {
      const last = JSON.parse((await lines()).at(-1) ?? '{}') as AuditEntry;
      expect(last).toMatchObject({ to: url, bytes: bytes.length, digest: sha256(bytes) });
      sent.push(last.to);
    }
    return server.fetch(url, init);
  };
  await serve(server, ended, {
    fetch,
    audit: log.record,
    policy: sitePolicy({
      version: 1,
      jobs: [{ names: ['*'] }],
      filters: [{ tasks: ['train'], use: 'clip', args: { norm: 1 } }],
    }),
  });
  await log.close();
  const entries: AuditEntry[] = [];
  expect((await readAudit(file, (entry) => entries.push(entry))).faults).toEqual([]);
  expect(entries.map(({ to }) => to)).toEqual(sent);
  const results = entries.filter(({ task }) => task !== undefined);
  expect(results.map(({ task, filters }) => [task, filters])).toEqual([
    ['t', ['site:clip']],
    ['t', ['site:clip']],
    ['u', []],
  ]);
  expect(results[0]?.digest).toBe(sha256(server.results.get('t')?.body ?? ''));
  expect(entries[0]?.to).toMatch(/\/v1\/sites$/);
});

test('where the record can not be written, nothing leaves, the site stops, and nothing is lost', async () => {
  const server = new FakeServer();
  const model = encode(numbers(3, 4));
  const executors = [{ tasks: ['*'], use: 'add' }];
  server.addJob('j', { executors }, [{ id: 't', name: 'train', model }]).ended = true;
  const store = new MemoryStore();
  const log = await AuditLog.open(file);
  const site = serve(server, ended, {
    store,
    audit: async (sending) => {
      if (sending.task !== undefined) await appendFile(file, 'foreign\n');
      await log.record(sending);
    },
  });
  await expect(site).rejects.toThrow('was written to by someone else');
  await log.close();
  expect(server.count('PUT', /result/)).toBe(0);
  const events = await serve(server, ended, { store });
  expect(events.filter(({ type }) => type === 'received')).toEqual([]);
  expect(server.tensorsOf('t').tensors).toEqual(numbers(4, 5));
});
