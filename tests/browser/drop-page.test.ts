// The page that trains what is dropped on it (demo/page): Vite, a real Chromium, WASM with threads and a software GPU.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import type { Page } from 'playwright-core';
import { build, preview } from 'vite';
import type { PreviewServer } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeNpz } from '../../cli/src/data/npz.ts';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { digits } from '../../client-kit/tests/digits.ts';
import { mlp } from '../../core/onnx/index.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { type Browser, openBrowser, whyNot } from './chromium.ts';

const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

describe.skipIf(whyNot(true) !== '')('the page that trains what is dropped on it', () => {
  let dir: string;
  let server: PreviewServer;
  let browser: Browser;
  let url: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drop-page-'));
    const config = {
      root: join(ROOT, 'demo/page'),
      configFile: join(ROOT, 'demo/page/vite.config.ts'),
      logLevel: 'warn',
      build: { outDir: join(dir, 'site'), emptyOutDir: true },
    } as const;
    [browser] = await Promise.all([openBrowser(SOFTWARE_GPU), build(config)]);
    server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0 } });
    url = server.resolvedUrls?.local[0] ?? '';
    const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
    const net = mlp({ inputs: [1, 28, 28], classes: 10, hidden: [32], rng });
    await writeFile(join(dir, 'net.onnx'), net);
    const { x, y } = digits('train', 0, 1000);
    const data = Uint8Array.from(x.data as Uint8Array);
    const npz = encodeNpz({ x: { data, shape: x.shape }, y: Int32Array.from(y) });
    await writeFile(join(dir, 'digits.npz'), npz);
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Drops a file as a person does, by its bytes. */
  const drop = async (page: Page, zone: string, name: string): Promise<void> => {
    const bytes = (await readFile(join(dir, name))).toString('base64');
    const transfer = await page.evaluateHandle(
      ([content = '', file = '']) => {
        const made = new DataTransfer();
        const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
        made.items.add(new File([bytes], file));
        return made;
      },
      [bytes, name],
    );
    await page.dispatchEvent(zone, 'drop', { dataTransfer: transfer });
  };

  const open = async (): Promise<Page> => {
    const page = await browser.context.newPage();
    await page.goto(url);
    await drop(page, '#model', 'net.onnx');
    await page.locator('#about', { hasText: 'net.onnx can be trained' }).waitFor();
    await drop(page, '#data', 'digits.npz');
    await page.locator('#examples', { hasText: '1000 examples [1, 28, 28]' }).waitFor();
    return page;
  };

  /** Trains on a device, and gives what the page says of it. */
  const train = async (page: Page, device: string, epochs: number): Promise<RegExpExecArray> => {
    await page.selectOption('[name=device]', device);
    await page.fill('[name=epochs]', String(epochs));
    await page.locator('form button:enabled', { hasText: 'Train' }).click();
    await page.locator('#stop:disabled').waitFor({ timeout: 60_000 });
    const text = (await page.locator('output').textContent()) ?? '';
    const found = /^(\d+) steps on (\w+) in .* s; .* loss ([\d.]+), accuracy ([\d.]+)$/.exec(text);
    if (!found) throw new Error(text);
    return found;
  };

  test(`learns on WASM with threads; the model that it gives is an ordinary one${whyNot(true)}`, async () => {
    const page = await open();
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
    const [, steps, device, , accuracy] = await train(page, 'wasm', 3);
    expect([steps, device]).toEqual(['87', 'wasm']);
    expect(Number(accuracy)).toBeGreaterThan(0.75);
    expect(await page.locator('figure svg path').count()).toBeGreaterThan(1);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#trained')]);
    expect(download.suggestedFilename()).toBe('net-trained.onnx');
    const session = await ort.InferenceSession.create(
      new Uint8Array(await readFile(await download.path())),
    );
    const { x, y } = digits('t10k', 0, 300);
    const input = new ort.Tensor('uint8', x.data as Uint8Array, x.shape);
    const scores = (await session.run({ x: input }))['logits']?.data as Float32Array;
    await session.release();
    const right = y.filter((label, i) => {
      const row = scores.subarray(i * 10, i * 10 + 10);
      return row.indexOf(Math.max(...row)) === label;
    });
    expect(right.length / y.length).toBeGreaterThan(0.7);
    await page.close();
  });

  test(`learns the same on WebGPU${whyNot(true)}`, async () => {
    const page = await open();
    const onGpu = await train(page, 'webgpu', 1);
    const onCpu = await train(page, 'wasm', 1);
    expect([onGpu[2], onCpu[2]]).toEqual(['webgpu', 'wasm']);
    expect(Number(onGpu[3])).toBeCloseTo(Number(onCpu[3]), 3);
    await page.close();
  });

  test(`says why a file is no model, and what an operator that can't be trained is${whyNot(true)}`, async () => {
    const page = await browser.context.newPage();
    await page.goto(url);
    await drop(page, '#model', 'digits.npz');
    await page.locator('#about.fault', { hasText: 'malformed' }).waitFor();
    expect(await page.locator('form button', { hasText: 'Train' }).isDisabled()).toBe(true);
    await page.close();
  });
});
