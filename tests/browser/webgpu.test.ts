// The README's page on WebGPU. The adapter is software (SwiftShader): it shows that the sums are right, not how fast.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CrossSiteTable } from '../../core/workflows/cross-site-eval.ts';
import { Api } from '../http/api.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { everyReply, finished, repliesOf, submitDigits } from '../package/digits-job.ts';
import { Stranger } from '../package/stranger.ts';
import { type Browser, openBrowser, whyNot } from './chromium.ts';
import { hostPage, type PageHost } from './page-host.ts';
import { Tab } from './tab.ts';

const WHY_NOT = whyNot(true);
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const COUNT_SUBMITS = `
  globalThis.submits = 0;
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (...buffers) {
    globalThis.submits++;
    return submit.apply(this, buffers);
  };`;

/** What the README says to change for WebGPU. */
const onWebGpu = (page: string): string =>
  page
    .replace('onnxruntime-web/wasm', 'onnxruntime-web/webgpu')
    .replace('ort-wasm-simd-threaded.wasm', 'ort-wasm-simd-threaded.asyncify.wasm')
    .replace('  ort,\n', "  ort,\n  executionProviders: ['webgpu'],\n");

describe.skipIf(WHY_NOT !== '')('a page with a GPU', () => {
  let stranger: Stranger;
  let host: PageHost;
  let server: Server;
  let api: Api;
  let browser: Browser;
  beforeAll(async () => {
    stranger = await Stranger.make();
    await stranger.digits('public', 0, 700);
    const page = await readFile(join(stranger.dir, 'page.ts'), 'utf8');
    await stranger.write('page.ts', onWebGpu(page));
    [host, browser] = await Promise.all([hostPage(stranger, 'build'), openBrowser(SOFTWARE_GPU)]);
    server = await startServer({ env: { ALLOWED_ORIGINS: host.origin } });
    api = new Api(server);
  });
  afterAll(async () => {
    await browser.close();
    await host.close();
    await server.stop();
    await stranger.remove();
  });

  test(`trains there${WHY_NOT}`, async () => {
    const job = await submitDigits(api, { sites: 1, rounds: 2 });
    const tab = await Tab.open(browser.context);
    await tab.page.addInitScript(COUNT_SUBMITS);
    const enrolment = await api.enrolment({ uses: 1 });
    await tab.visit(host.origin, { server: server.url, name: 'page', enrolment });
    const adapter = await tab.page.evaluate(
      `navigator.gpu.requestAdapter().then((adapter) => adapter?.info.architecture)`,
    );
    expect(adapter).toBe('swiftshader');
    await tab.until(({ type }) => type === 'job-ended');
    // 2 rounds of 20 steps, and each step is work for the GPU.
    expect(await tab.page.evaluate('globalThis.submits')).toBeGreaterThan(40);
    const view = await finished(api, job);
    expect(view.status, view.reason ?? '').toBe('FINISHED:COMPLETED');
    expect(await repliesOf(api, job)).toEqual(everyReply({ rounds: 2 }, ['page']));
    const { global } = (view.results['cross-site'] as CrossSiteTable)['page'] ?? {};
    if (!global || !('metrics' in global)) throw new Error(JSON.stringify(view.results));
    expect(global.metrics['accuracy']).toBeGreaterThan(0.75);
  });
});
