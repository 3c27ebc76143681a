import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OFFLINE, ROOT, wranglerBin } from '../../scripts/build-worker.ts';
import { newTokenKey } from '../../scripts/keys.ts';
import { Api, matrix, sumJob } from '../http/api.ts';
import { ADMIN } from '../../scripts/bare-server.ts';

// `npm run dev` is how the server is run here; whoever knows wrangler will try `npx wrangler dev`, and it works too.

let folder: string;
let port: number;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-wrangler-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  port = (probe.address() as { port: number }).port;
  probe.close();
});
afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

/** Processes of a group, by /proc. */
async function groupOf(leader: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  return pids.filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // After the command, which may hold anything: state, parent, group.
      const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state !== 'Z' && Number(group) === leader;
    } catch {
      return false;
    }
  });
}

const long = process.env['TRIBUTARY_LONG'] === '1' && process.platform === 'linux';

test.skipIf(!long)(
  `npx wrangler dev serves (${long ? '' : 'skipped: '}long, on Linux)`,
  async () => {
    const secrets = { ADMIN_TOKEN: ADMIN, TOKEN_KEY: newTokenKey() };
    const vars = Object.entries(secrets).flatMap(([name, value]) => ['--var', `${name}:${value}`]);
    const child = spawn(
      process.execPath,
      [
        wranglerBin,
        'dev',
        '--port',
        `${port}`,
        '--ip',
        '127.0.0.1',
        '--persist-to',
        folder,
        '--inspector-port',
        '0',
        ...vars,
      ],
      {
        cwd: ROOT,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...OFFLINE, CI: '1' },
      },
    );
    let log = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => (log += text.toString()));
    }
    const leader = child.pid ?? 0;
    try {
      const api = new Api({ url: `http://127.0.0.1:${port}` });
      await expect
        .poll(
          () => {
            if (child.exitCode !== null) throw new Error(log);
            return fetch(`${api.url}/healthz`).then(
              ({ ok }) => ok,
              () => false,
            );
          },
          { timeout: 90_000, interval: 200 },
        )
        .toBe(true);
      // Its pages too, from the assets as Cloudflare has them.
      const page = await fetch(`${api.url}/join`);
      const [, script = ''] = /src="(\/assets\/join-[^"]+\.js)"/.exec(await page.text()) ?? [];
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      const code = await fetch(api.url + script);
      expect(code.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
      expect(code.headers.get('cache-control')).toContain('immutable');
      await code.arrayBuffer();
      const id = await api.submit(sumJob(await api.blob(matrix([1, 2]))));
      const token = await api.site('alpha');
      expect(await api.json(`/v1/jobs/${id}/task?wait=10`, 200, { token })).toMatchObject({
        status: 'task',
      });
    } finally {
      process.kill(-leader, 'SIGKILL');
    }
    await expect.poll(() => groupOf(leader), { timeout: 10_000 }).toEqual([]);
  },
);
