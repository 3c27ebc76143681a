// An agent in another page: two origins, a MessagePort between them, a real Chromium.
import { build } from 'esbuild';
import { cp } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { Api } from '../http/api.ts';
import { finished } from '../package/digits-job.ts';
import { Stranger } from '../package/stranger.ts';
import { type Browser, CHROMIUM, openBrowser, whyNot } from './chromium.ts';

const zeros = (...shape: number[]) =>
  ({ dtype: 'F32', shape, data: new Float32Array(shape.reduce((a, b) => a * b)) }) as const;
const PAGE = {
  lib: ['es2023', 'dom', 'dom.iterable'],
  module: 'esnext',
  moduleResolution: 'bundler',
};

describe.skipIf(CHROMIUM === undefined)('an agent in another page', () => {
  const pages = createServer();
  let origins: { site: string; agent: string };
  let stranger: Stranger;
  let complaints: string;
  let server: Server;
  let browser: Browser;
  beforeAll(async () => {
    stranger = await Stranger.make();
    const examples = join(stranger.dir, 'examples');
    await cp(join(ROOT, 'examples'), examples, { recursive: true });
    const files = ['site', 'agent'].map((name) => `examples/agent-page/${name}.ts`);
    const options = { ...PAGE, noEmit: true, allowImportingTsExtensions: true };
    complaints = await stranger.check(files, options);
    const { outputFiles } = await build({
      entryPoints: {
        site: join(examples, 'agent-page/site.ts'),
        agent: join(examples, 'agent-page/agent.ts'),
        restarted: join(import.meta.dirname, 'agent-pages/restarted.ts'),
      },
      bundle: true,
      format: 'esm',
      outdir: '/',
      write: false,
      external: ['onnxruntime-web'],
      tsconfigRaw: {},
    });
    pages.on('request', (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const script = outputFiles.find(({ path }) => path === pathname);
      response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
      const page = `<!doctype html><body><script type="module" src="${pathname}.js"></script>`;
      response.end(script?.text ?? page);
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
    await stranger?.remove();
    pages.close();
  });

  /** A job of three rounds whose one site is a page with this agent in a frame. -> the final model */
  const learn = async (name: string, agent: string, initial: Tensors): Promise<Tensors> => {
    const api = new Api(server);
    const job = await api.submit({
      name,
      minSites: 1,
      model: await api.blob(encode(initial)),
      workflows: [{ id: 'main', use: 'fed-avg', args: { rounds: 3, minResponses: 1 } }],
      executors: [{ tasks: ['*'], use: 'app' }],
    });
    const page = await browser.context.newPage();
    const address = `${origins.agent}/${agent}#${new URLSearchParams({ site: origins.site, name })}`;
    const enrolment = await api.enrolment({ uses: 1 });
    const given = new URLSearchParams({ server: server.url, name, enrolment, agent: address });
    await page.goto(`${origins.site}/site#${given}`);
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    // Both have been told.
    const frame = page.frames().find((each) => each.url().startsWith(origins.agent));
    expect(frame).toBeDefined();
    for (const each of [page.mainFrame(), frame])
      await each?.waitForFunction(() => document.title === 'The job has ended');
    await page.close();
    const bytes = await (await api.call(`/v1/jobs/${job}/models/global`)).arrayBuffer();
    const file = decode(new Uint8Array(bytes));
    if (!file.ok) throw new Error(file.error.reason);
    return file.value.tensors;
  };

  test(`trains, as the example does${whyNot()}`, async () => {
    expect(complaints).toBe('');
    const learnt = await learn(
      'softmax',
      'agent',
      new Map([
        ['w', zeros(3, 4)],
        ['b', zeros(3)],
      ]),
    );
    // The data of its kinds lie around (1, 0, 0, 0) and so on: each score has learnt which.
    const w = Array.from(learnt.get('w')?.data ?? [], Number);
    for (const k of [0, 1, 2]) {
      const row = w.slice(4 * k, 4 * k + 4);
      expect(row.indexOf(Math.max(...row))).toBe(k);
    }
  });

  test(`does its tasks, though it is loaded anew in the middle of one${whyNot()}`, async () => {
    const learnt = await learn('plus-one', 'restarted', new Map([['w', zeros(3)]]));
    expect([...(learnt.get('w')?.data ?? [])]).toEqual([3, 3, 3]);
  });
});
