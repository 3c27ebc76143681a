import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MiB } from '../../core/protocol/limits.ts';
import { Api, digestOf, matrix, sumJob } from '../http/api.ts';
import { startServer, type Server } from '../../scripts/bare-server.ts';

// On bare workerd, with its disk service bound: a job's last model becomes a file of its own when the job ends.
let dir: string;
let server: Server;
let api: Api;
let site: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tributary-archive-'));
  server = await startServer({ data: dir });
  api = new Api(server);
  site = await api.site('a');
});
afterAll(async () => {
  await server?.stop();
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

const SIZE = 4 * MiB; // elements: a model of 16 MiB takes some time to copy
const file = (x: number, flModel?: object) =>
  matrix(
    Array.from({ length: SIZE }, (_, i) => x + (i & 255)),
    [SIZE],
    flModel,
  );
const initial = file(1);
const last = digestOf(file(2));
const result = file(2, { params_type: 'FULL', meta: { NUM_STEPS_CURRENT_ROUND: 1 } });

/** Files of a job's models; one that is still being written has a dot before its name. */
const filesOf = async (job: string): Promise<string[]> =>
  (await readdir(join(dir, 'blobs'))).filter((name) => name.includes(job));

/** A job of one site and one round, whose last result was just acknowledged. */
const finish = async (): Promise<string> => {
  const model = await api.blob(initial);
  const job = await api.submit(sumJob(model));
  const { task } = await api.json<{ task: { resultUrl: string } }>(
    `/v1/jobs/${job}/task?wait=5`,
    200,
    { token: site },
  );
  const answer = await api.putResult(task.resultUrl, site, result);
  expect(await answer.json()).toEqual({ status: 'accepted' });
  return job;
};

const globalOf = async (job: string): Promise<string> => {
  const answer = await api.call(`/v1/jobs/${job}/models/global`);
  expect([answer.status, answer.headers.get('etag')]).toEqual([200, `"${last}"`]);
  return digestOf(new Uint8Array(await answer.arrayBuffer()));
};

const MOMENTS: Record<string, (names: string[]) => boolean> = {
  'as its result was acknowledged': () => true,
  'in the middle of the copy': ([name]) => name?.startsWith('.') === true,
  'as the copy was made': ([name]) => name?.startsWith('.') === false,
};

for (const [moment, come] of Object.entries(MOMENTS)) {
  test(`a server killed ${moment}: the finished model is served, copied after all, and deleted with its job`, async () => {
    const job = await finish();
    while (!come(await filesOf(job))) await sleep(0);
    await server.kill();
    await server.restart();
    expect(await globalOf(job)).toBe(last);
    const whole = async () => (await filesOf(job)).filter((name) => !name.startsWith('.'));
    await expect.poll(whole, { timeout: 60_000 }).toEqual([`${job}.${last}`]);
    expect(digestOf(await readFile(join(dir, 'blobs', `${job}.${last}`)))).toBe(last);
    expect(await globalOf(job)).toBe(last);
    expect((await api.call(`/v1/jobs/${job}`, { method: 'DELETE' })).status).toBe(204);
    expect(await whole()).toEqual([]);
  });
}
