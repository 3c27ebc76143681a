// The same training in Node and in a real Chromium, on WASM with one and two threads and on WebGPU. The adapter is
// software (SwiftShader): it shows that the sums are right, not how fast.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { build, preview } from 'vite';
import type { PreviewServer } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeFault, differentiate } from '../../client-kit/src/differentiate.ts';
import type { DifferentiateOptions } from '../../client-kit/src/differentiate.ts';
import { Trainer } from '../../client-kit/src/onnx.ts';
import { xoshiro128 } from '../../client-kit/src/seed.ts';
import { digits } from '../../client-kit/tests/digits.ts';
import { cnn } from '../../core/onnx/index.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { type Browser, openBrowser, whyNot } from './chromium.ts';
import { carryOut, tensorsOf } from './trainer-page/order.ts';
import type { Order, Outcome } from './trainer-page/order.ts';

const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const { x, y } = digits('train', 0, 96);
const NET = cnn({
  inputs: [1, 28, 28],
  classes: 10,
  channels: [4, 8],
  rng: xoshiro128(Uint32Array.of(1, 2, 3, 4)),
});

const order = (options: Partial<DifferentiateOptions>, more: Partial<Order> = {}): Order => ({
  model: Buffer.from(NET).toString('base64'),
  options: { loss: 'softmax-cross-entropy', optimizer: { name: 'adam' }, ...options },
  device: 'wasm',
  threads: 1,
  images: Buffer.from(x.data as Uint8Array).toString('base64'),
  labels: [...y],
  lr: 0.003,
  batchSize: 32,
  epochs: 3,
  ...more,
});

const inNode = async (wanted: Order): Promise<Outcome> => {
  ort.env.wasm.numThreads = 1;
  const made = differentiate(NET, wanted.options);
  if (!made.ok) throw new Error(describeFault(made.error));
  return carryOut(await Trainer.load(ort, made.value, { device: 'wasm' }), wanted);
};

/** The largest difference of two runs' losses and parameters. */
const apart = (a: Outcome, b: Outcome): { losses: number; parameters: number } => {
  const others = tensorsOf(b);
  const parameters = [...tensorsOf(a)].flatMap(([name, { data }]) => {
    const other = others.get(name)?.data as Float32Array;
    return Array.from(data as Float32Array, (value, i) => Math.abs(value - (other[i] ?? NaN)));
  });
  const losses = a.losses.map((loss, i) => Math.abs(loss - (b.losses[i] ?? NaN)));
  return { losses: Math.max(...losses), parameters: Math.max(...parameters) };
};

describe.skipIf(whyNot(true) !== '')('one training, several runtimes', () => {
  let dir: string;
  let server: PreviewServer;
  let browser: Browser;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'trainer-page-'));
    const headers = {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    };
    const config = {
      root: join(ROOT, 'tests/browser/trainer-page'),
      configFile: false,
      logLevel: 'warn',
      build: { outDir: dir, emptyOutDir: true, target: 'esnext', chunkSizeWarningLimit: 2000 },
    } as const;
    [browser] = await Promise.all([openBrowser(SOFTWARE_GPU), build(config)]);
    server = await preview({ ...config, preview: { host: '127.0.0.1', port: 0, headers } });
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** In a page of its own: threads are chosen once. */
  const inPage = async (wanted: Order, query = ''): Promise<Outcome> => {
    const page = await browser.context.newPage();
    try {
      await page.goto(`${server.resolvedUrls?.local[0]}${query}`);
      await page.waitForFunction('typeof train === "function"');
      return await page.evaluate(`train(${JSON.stringify(wanted)})`);
    } finally {
      await page.close();
    }
  };

  test(`one thread of WASM in Chromium is Node, to the bit; two are, but for rounding${whyNot(true)}`, async () => {
    const node = await inNode(order({}));
    const one = await inPage(order({}));
    expect(apart(one, node)).toEqual({ losses: 0, parameters: 0 });
    expect(node.losses.at(-1)).toBeLessThan(node.losses[0] ?? 0);
    const two = await inPage(order({}, { threads: 2 }));
    expect(apart(two, node).losses).toBeLessThan(1e-4);
  });

  test(`WebGPU learns what WASM does: all of a CNN, and its head with the rest frozen on the GPU${whyNot(true)}`, async () => {
    for (const options of [{}, { trainable: ['fc.*'] }]) {
      const once = { epochs: 1 };
      const node = await inNode(order(options, once));
      const onGpu = { ...once, device: 'webgpu' } as const;
      const gpu = await inPage(order({ ...options, target: 'webgpu' }, onGpu));
      expect(gpu.device).toBe('webgpu');
      const { losses, parameters } = apart(gpu, node);
      expect(losses).toBeLessThan(1e-3);
      expect(parameters).toBeLessThan(2e-3);
    }
  });

  test(`ONNX Runtime's older WebGPU code is refused, and not what auto takes${whyNot(true)}`, async () => {
    const short = { epochs: 1, labels: [...y.subarray(0, 32)] };
    const wanted = (device: Order['device']) => order({ target: 'webgpu' }, { ...short, device });
    await expect(inPage(wanted('webgpu'), '?old')).rejects.toThrow(
      "no WebGPU here: this is ONNX Runtime's older code for it; import onnxruntime-web/webgpu",
    );
    expect((await inPage(wanted('auto'), '?old')).device).toBe('wasm');
  });
});
