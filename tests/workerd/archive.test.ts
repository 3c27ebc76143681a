import { env } from 'cloudflare:workers';
import { expect, test } from 'vitest';
import { encode } from '../../core/tensors/safetensors.ts';
import { addOne, admin, constant, newJob, site, uploadBlob } from './job-fixture.ts';
import type { TestJob } from './job-fixture.ts';
import { f32, sha256Of } from './bytes-room.ts';

// The Worker of these tests has R2 bound: a job's finished models move there.
const { R2 } = env as unknown as { R2: R2Bucket };

/** One round of hello-numpy, ended. -> its model, as it was when the job ended */
async function finished(spec: Parameters<typeof newJob>[0] = {}) {
  const workflows = [{ id: 'train', use: 'fed-avg', args: { rounds: 1, selection: 'none' } }];
  const job = await newJob({ workflows, ...spec }, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.poll(name);
  for (const name of ['a', 'b']) await addOne(job, name, await job.task(name));
  const file = await fileOf(job);
  const digest = sha256Of(file);
  return { job, file, digest, key: `blobs/${job.id}.${digest}` };
}

const fileOf = async (job: TestJob): Promise<Uint8Array> => {
  const answer = await job.fetch('/models/global', admin);
  expect(answer.status).toBe(200);
  return new Uint8Array(await answer.arrayBuffer());
};

const stateOf = (job: TestJob, digest: string): Promise<string | undefined> =>
  job.inside(
    (_, sql) =>
      sql.exec<{ state: string }>('SELECT state FROM archive WHERE digest = ?', digest).toArray()[0]
        ?.state,
  );

/** As if the time until the next step were over. */
const hurry = async (job: TestJob): Promise<void> => {
  await job.inside((_, sql) => sql.exec('UPDATE archive SET due = 0 WHERE due IS NOT NULL'));
  await job.alarm();
};

const bytesInRows = (job: TestJob): Promise<number> =>
  job.inside((_, sql) => sql.exec<{ bytes: number }>('SELECT bytes FROM chunk_total').one().bytes);

test('a finished model is copied to R2 by itself, read there, and its rows go 10 minutes later', async () => {
  const { job, file, digest, key } = await finished();
  expect((await job.view()).status).toBe('FINISHED:COMPLETED');
  await expect.poll(() => stateOf(job, digest)).toBe('both');
  expect(new Uint8Array(await (await R2.get(key))!.arrayBuffer())).toEqual(file);
  const before = await bytesInRows(job);
  await job.evict();
  expect(await fileOf(job)).toEqual(file);
  await hurry(job);
  await expect.poll(() => stateOf(job, digest)).toBe('there');
  expect(await bytesInRows(job)).toBe(before - file.length);
  await job.evict();

  const read = (headers: Record<string, string> = {}, method = 'GET') =>
    job.fetch('/models/global', site('a'), { headers, method });
  const whole = await read();
  expect([whole.headers.get('etag'), whole.headers.get('content-type')]).toEqual([
    `"${digest}"`,
    'application/x-safetensors',
  ]);
  expect(new Uint8Array(await whole.arrayBuffer())).toEqual(file);
  const part = await read({ range: 'bytes=4-9' });
  expect([part.status, part.headers.get('content-range')]).toEqual([
    206,
    `bytes 4-9/${file.length}`,
  ]);
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(file.slice(4, 10));
  const head = await read({}, 'HEAD');
  expect([head.status, head.headers.get('content-length')]).toEqual([200, `${file.length}`]);
  expect((await read({ 'if-none-match': `"${digest}"` })).status).toBe(304);
  const byDigest = await job.fetch(`/models/${digest}`, site('b'));
  expect(new Uint8Array(await byDigest.arrayBuffer())).toEqual(file);
  expect((await job.view()).models['global']).toEqual({ digest, bytes: file.length });
  // Nothing is left to do.
  const due = await job.inside((_, sql) =>
    sql.exec('SELECT due FROM archive WHERE due IS NOT NULL').toArray(),
  );
  expect(due).toEqual([]);
});

test('an aborted job archives what it has', async () => {
  const job = await newJob({}, { sites: ['a'] });
  await job.call((stub) => stub.abort(admin));
  const { digest } = (await job.view()).models['global']!;
  await expect.poll(() => stateOf(job, digest)).toBe('both');
});

test('two jobs with the same model: deleting one leaves the other its own', async () => {
  const one = await finished();
  const two = await finished();
  expect(two.digest).toBe(one.digest);
  for (const { job, digest } of [one, two]) {
    await expect.poll(() => stateOf(job, digest)).toBe('both');
    await hurry(job);
    await expect.poll(() => stateOf(job, digest)).toBe('there');
  }
  await one.job.stub.destroy();
  await one.job.stub.destroy();
  expect(await R2.head(one.key)).toBeNull();
  expect(await fileOf(two.job)).toEqual(two.file);
  await two.job.stub.destroy();
  expect(await R2.head(two.key)).toBeNull();
});

test('a job that is deleted as it ends, or while its model is being copied, leaves nothing', async () => {
  for (const wait of [0, 1, 3, 10, 30]) {
    const { job, key } = await finished();
    await scheduler.wait(wait);
    await job.stub.destroy();
    await scheduler.wait(50);
    expect(await R2.head(key)).toBeNull();
    const tables = await job.inside((_, sql) => sql.exec('SELECT * FROM sqlite_master').toArray());
    expect(tables).toEqual([]);
  }
});

test('a copy that was lost before the rows went is made again; one lost later is 503', async () => {
  const { job, file, digest, key } = await finished();
  await expect.poll(() => stateOf(job, digest)).toBe('both');
  await R2.put(key, file.slice(1));
  await hurry(job);
  await expect.poll(async () => (await R2.head(key))?.size).toBe(file.length);
  expect(await stateOf(job, digest)).toBe('both');
  await R2.delete(key);
  expect(await fileOf(job)).toEqual(file); // from the rows
  await hurry(job);
  await expect.poll(async () => (await R2.head(key))?.size).toBe(file.length);
  await expect.poll(async () => (await hurry(job), await stateOf(job, digest))).toBe('there');
  expect(await fileOf(job)).toEqual(file);
  await R2.delete(key);
  const gone = await job.fetch('/models/global', admin);
  expect(await gone.json()).toMatchObject({ reason: 'unavailable' });
});

test('a finished model begins another job, and both outlive the death of the first', async () => {
  const first = await finished();
  await expect.poll(() => stateOf(first.job, first.digest)).toBe('both');
  await hurry(first.job);
  await expect.poll(() => stateOf(first.job, first.digest)).toBe('there');
  const model = await uploadBlob(Uint8Array.from(await fileOf(first.job)));
  expect(model).toBe(first.digest);
  await first.job.stub.destroy();
  const second = await finished({ model });
  expect(second.file).toEqual(
    encode(new Map([['numpy_key', f32([3, 3], [3, 4, 5, 6, 7, 8, 9, 10, 11])]])),
  );
  await expect.poll(() => stateOf(second.job, second.digest)).toBe('both');
});

test('a model that several names share is copied once, each name reads it', async () => {
  const workflows = [{ id: 'eval', use: 'cross-site-eval' }];
  const job = await newJob({ workflows }, { sites: ['a', 'b'] });
  for (const name of ['a', 'b']) await job.poll(name);
  for (const name of ['a', 'b']) {
    const task = await job.task(name);
    await job.reply(name, task.id, { params_type: 'FULL' }, constant(5));
  }
  await job.call((stub) => stub.abort(admin));
  const { a, b } = (await job.view()).models;
  expect(a).toEqual(b);
  await expect.poll(() => stateOf(job, a!.digest)).toBe('both');
  await hurry(job);
  await expect.poll(() => stateOf(job, a!.digest)).toBe('there');
  for (const name of ['a', 'b']) {
    const answer = await job.fetch(`/models/${name}`, admin);
    expect(sha256Of(new Uint8Array(await answer.arrayBuffer()))).toBe(a!.digest);
  }
});
