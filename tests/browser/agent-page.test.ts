// An agent in another page: two origins, a MessagePort between them, a real Chromium.
import { build } from 'esbuild';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decode } from '../../core/tensors/safetensors.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { Api, matrix } from '../http/api.ts';
import { finished } from '../package/digits-job.ts';
import { type Browser, CHROMIUM, openBrowser, whyNot } from './chromium.ts';

describe.skipIf(CHROMIUM === undefined)('an agent in another page', () => {
  const pages = createServer();
  let origins: { site: string; agent: string };
  let server: Server;
  let browser: Browser;
  beforeAll(async () => {
    const { outputFiles } = await build({
      entryPoints: ['site', 'agent'].map((name) =>
        join(import.meta.dirname, 'agent-pages', `${name}.ts`),
      ),
      bundle: true,
      format: 'esm',
      outdir: '/',
      write: false,
    });
    pages.on('request', (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const script = outputFiles.find(({ path }) => path === pathname);
      response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
      response.end(
        script?.text ?? `<!doctype html><body><script type="module" src="${pathname}.js"></script>`,
      );
    });
    await new Promise<void>((resolve) => pages.listen(0, 'localhost', resolve));
    const { port } = pages.address() as AddressInfo;
    // Two names of one machine are two origins.
    origins = { site: `http://localhost:${port}`, agent: `http://agent.localhost:${port}` };
    [browser, server] = await Promise.all([
      openBrowser(),
      startServer({ env: { ALLOWED_ORIGINS: origins.site } }),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    pages.close();
  });

  test(`does the tasks of a job, though it is loaded anew in the middle${whyNot()}`, async () => {
    const api = new Api(server);
    const model = await api.blob(matrix([1, 2, 3]));
    const job = await api.submit({
      name: 'two pages',
      minSites: 1,
      model,
      workflows: [{ id: 'main', use: 'fed-avg', args: { rounds: 3, minResponses: 1 } }],
      executors: [
        { tasks: ['train'], use: 'task-exchanger' },
        { tasks: ['*'], use: 'add' },
      ],
    });
    const page = await browser.context.newPage();
    const agent = `${origins.agent}/agent?${new URLSearchParams({ site: origins.site })}`;
    const query = { server: server.url, enrolment: await api.enrolment({ uses: 1 }), agent };
    await page.goto(`${origins.site}/site?${new URLSearchParams(query)}`);
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    const bytes = await (await api.call(`/v1/jobs/${job}/models/global`)).arrayBuffer();
    const file = decode(new Uint8Array(bytes));
    expect(file.ok && [...(file.value.tensors.get('w')?.data ?? [])]).toEqual([4, 5, 6]);
    await page.waitForFunction(() => document.title === 'over');
    // It was told that the job has ended.
    const frame = page.frames().find((each) => each.url().startsWith(origins.agent));
    await frame?.waitForFunction(() => document.title === 'over');
    expect(frame).toBeDefined();
  });
});
