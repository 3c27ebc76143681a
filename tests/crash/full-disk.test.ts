import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildWorker, ROOT } from '../../scripts/build-worker.ts';
import { WORKERD } from '../../scripts/workerd.ts';
import { Api, matrix, sumJob } from '../http/api.ts';
import { ADMIN } from '../../scripts/bare-server.ts';

// The server's data lie on a disk of 24 MB that only its own namespace sees.
const NAMESPACE = ['--map-root-user', '--mount', '--'];
const MOUNT = 'mount -t tmpfs -o size=24m tmpfs "$1" && mkdir "$1/objects" "$1/blobs"';
const possible =
  spawnSync('unshare', [...NAMESPACE, 'sh', '-c', 'mount -t tmpfs tmpfs /mnt']).status === 0;

let dir: string;
let child: ChildProcess;
let api: Api;
/** The disk as the server sees it. */
let disk: string;

beforeAll(async () => {
  if (!possible) return;
  await buildWorker();
  dir = await mkdtemp(join(tmpdir(), 'tributary-full-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = `127.0.0.1:${(probe.address() as { port: number }).port}`;
  probe.close();
  const serve = [
    WORKERD,
    'serve',
    join(ROOT, 'onprem/config.capnp'),
    `--socket-addr=http=${address}`,
    `--directory-path=objects=${dir}/objects`,
    `--directory-path=blobs=${dir}/blobs`,
  ];
  const script = `${MOUNT} && shift && exec "$@"`;
  child = spawn('unshare', [...NAMESPACE, 'sh', '-c', script, 'sh', dir, ...serve], {
    stdio: 'ignore',
    env: { ...process.env, ADMIN_TOKEN: ADMIN, TOKEN_KEY: '7'.repeat(64) },
  });
  disk = `/proc/${child.pid}/root${dir}`;
  api = new Api({ url: `http://${address}` });
  const ready = () =>
    fetch(`http://${address}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (child.exitCode === null && !(await ready())) await sleep(20);
});
afterAll(async () => {
  child?.kill('SIGKILL');
  if (dir) await rm(dir, { recursive: true, force: true, maxRetries: 5 });
});

const free = async (): Promise<number> => {
  const { bavail, bsize } = await statfs(disk);
  return bavail * bsize;
};

const statusOf = async (digest: string): Promise<number> =>
  (await api.call(`/v1/blobs/${digest}`, { method: 'HEAD' })).status;

// Needs a mount of its own, which some containers forbid.
test.skipIf(!possible)(
  'a blob that the disk has no room for is 507, the others stay, and its space comes back',
  async () => {
    const kept = await api.blob(randomBytes(2e6));
    const before = await free();
    await expect(api.blob(randomBytes(40e6))).rejects.toThrow(/507.*STORAGE_FULL/);
    // By itself, ten seconds later; whoever asks for that blob has it cleared up at once.
    await expect.poll(free, { timeout: 30_000, interval: 500 }).toBeGreaterThan(before - 1e6);
    expect(await statusOf(kept)).toBe(200);
    const next = await api.blob(randomBytes(1e6));
    expect(await statusOf(next)).toBe(200);
  },
);

test.skipIf(!possible)(
  'results that the disk has no room for are 507; with room again the job goes on as if nothing had been',
  async () => {
    const size = 2 ** 18;
    const all = (x: number) => Array.from({ length: size }, () => x);
    const model = await api.blob(matrix(all(1)));
    const sites = await Promise.all(['a', 'b'].map(async (name) => api.site(name)));
    const job = await api.submit(sumJob(model, { minSites: 2 }));
    interface Poll {
      task: { resultUrl: string };
    }
    const tasks: string[] = [];
    for (const token of [...sites, ...sites]) {
      const { task } = await api.json<Partial<Poll>>(`/v1/jobs/${job}/task`, 200, { token });
      if (task) tasks.push(task.resultUrl);
    }
    const [resultUrl = ''] = tasks;
    const result = (x: number) =>
      matrix(all(x), [size], {
        params_type: 'FULL',
        meta: { NUM_STEPS_CURRENT_ROUND: 1 },
      });
    const submit = (i: number, x: number) => api.putResult(resultUrl, sites[i] ?? '', result(x));
    expect(await (await submit(0, 3)).json()).toEqual({ status: 'accepted' });

    const filler = `${disk}/filler`;
    await writeFile(filler, Buffer.alloc((await free()) - 300_000));
    expect((await submit(1, 5)).status).toBe(507);
    expect((await submit(1, 5)).status).toBe(507);
    await rm(filler);
    expect(await (await submit(0, 9)).json()).toEqual({ status: 'duplicate' });
    expect(await (await submit(1, 5)).json()).toEqual({ status: 'accepted' });
    await expect
      .poll(async () => (await api.json(`/v1/jobs/${job}`, 200))['status'])
      .toBe('FINISHED:COMPLETED');
    const global = await api.call(`/v1/jobs/${job}/models/global`);
    const bytes = new Uint8Array(await global.arrayBuffer());
    expect([...new Float32Array(bytes.slice(-8).buffer)]).toEqual([4, 4]);
  },
);
