// A task in a real browser's Worker: the page goes on meanwhile, and an abort ends a worker that never listens.
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeServer } from '../../client-kit/tests/fake-server.ts';
import { numbers } from '../../client-kit/tests/serve.ts';
import { encode } from '../../core/tensors/safetensors.ts';
import { type Browser, CHROMIUM, openBrowser, whyNot } from './chromium.ts';

const ORIGIN = 'http://localhost:9';
const bundle = (name: string): string =>
  buildSync({
    entryPoints: [join(import.meta.dirname, 'worker-page', `${name}.ts`)],
    bundle: true,
    format: 'esm',
    write: false,
    external: ['onnxruntime-web'],
  }).outputFiles[0]?.text ?? '';

describe.skipIf(CHROMIUM === undefined)(`inWorker${whyNot()}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test('the page is free while a task hangs; an abort ends it, and the next task is done', async () => {
    const server = new FakeServer();
    const model = encode(numbers(1, 2));
    const job = server.addJob('j', { executors: [{ tasks: ['*'], use: 'app' }] }, [
      { id: 'x', name: 'train', model, data: { do: 'hang' }, leaseS: 0.1 },
      { id: 'y', name: 'train', model },
    ]);
    job.ended = true;
    const page = await browser.context.newPage();
    const pages = new Map([
      ['/', '<!doctype html><script type="module" src="/page.js"></script>'],
      ['/page.js', bundle('page')],
      ['/train.js', bundle('train')],
    ]);
    await browser.context.route('**/*', async (route) => {
      const request = route.request();
      const { pathname, search } = new URL(request.url());
      const file = pages.get(pathname);
      if (file !== undefined) {
        const contentType = pathname === '/' ? 'text/html' : 'text/javascript';
        return route.fulfill({ body: file, contentType });
      }
      const body = request.postDataBuffer();
      const answer = await server.fetch(server.url + pathname + search, {
        method: request.method(),
        headers: await request.allHeaders(),
        ...(body && { body: new Uint8Array(body) }),
      });
      return route.fulfill({
        status: answer.status,
        headers: Object.fromEntries(answer.headers),
        body: Buffer.from(await answer.arrayBuffer()),
      });
    });
    await page.goto(ORIGIN);
    await page.waitForFunction(() => events.some(({ type }) => type === 'received'));
    const before = await page.evaluate(() => ticks);
    await page.waitForTimeout(500);
    expect(await page.evaluate(() => ticks)).toBeGreaterThan(before + 10);
    job.closed.add('x');
    await page.waitForFunction(() => done);
    const types = await page.evaluate(() => events.map(({ type }) => type));
    expect(types).toContain('aborted');
    expect([...server.results.keys()]).toEqual(['y']);
    expect(server.tensorsOf('y').tensors.get('w')?.data).toEqual(Float32Array.of(7, 2));
  });
});
