// The ten lines of docs/train-any-onnx-model.md and the page around them: the kit's tarball, Vite, a real Chromium.
import { readFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-web';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { digits } from '../../client-kit/tests/digits.ts';
import { mlp } from '../../core/onnx/index.ts';
import { Stranger } from '../package/stranger.ts';
import { type Browser, openBrowser, whyNot } from './chromium.ts';
import { hostPage, type PageHost } from './page-host.ts';

const PAGE = {
  lib: ['es2023', 'dom', 'dom.iterable'],
  module: 'esnext',
  moduleResolution: 'bundler',
  types: ['vite/client', 'onnxruntime-web'],
  noEmit: true,
};

describe.skipIf(whyNot(true) !== '')('ten lines', () => {
  let stranger: Stranger;
  let host: PageHost;
  let browser: Browser;
  beforeAll(async () => {
    stranger = await Stranger.make();
    await stranger.copy('docs/train-any-onnx-model.md');
    await stranger.digits('public', 0, 1000);
    [host, browser] = await Promise.all([hostPage(stranger, 'build'), openBrowser()]);
  });
  afterAll(async () => {
    await browser.close();
    await host.close();
    await stranger.remove();
  });

  test(`type-check${whyNot(true)}`, async () => {
    expect(await stranger.check(['page.ts'], PAGE)).toBe('');
  });

  test(`train a model in a page; what comes back is an ordinary model that knows digits${whyNot(true)}`, async () => {
    const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
    const net = mlp({ inputs: [1, 28, 28], classes: 10, hidden: [32], rng });
    const page = await browser.context.newPage();
    const complaints: string[] = [];
    page.on('pageerror', ({ message }) => complaints.push(message));
    await page.goto(host.origin);
    const file = {
      name: 'net.onnx',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(net),
    };
    await page.setInputFiles('input', file);
    const link = page.locator('a', { hasText: 'trained.onnx' });
    await link.waitFor({ timeout: 120_000 });
    expect(complaints).toEqual([]);
    expect(await page.textContent('pre')).toMatch(/^step 96 of 96, loss 0\.\d+$/);
    const [download] = await Promise.all([page.waitForEvent('download'), link.click()]);
    const trained = new Uint8Array(await readFile(await download.path()));
    const session = await ort.InferenceSession.create(trained);
    const { x, y } = digits('t10k', 0, 500);
    const input = new ort.Tensor('uint8', x.data as Uint8Array, x.shape);
    const scores = (await session.run({ x: input }))['logits']?.data as Float32Array;
    await session.release();
    const right = y.filter((label, i) => {
      const row = scores.subarray(i * 10, i * 10 + 10);
      return row.indexOf(Math.max(...row)) === label;
    });
    expect(right.length / y.length).toBeGreaterThan(0.7);
  });
});
