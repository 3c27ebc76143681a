// Every operator and its gradient on ONNX Runtime's WebGPU, against PyTorch's autograd: without the CPU, but where told.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeModel } from '../../core/onnx/codec.ts';
import {
  bytesOf,
  distance,
  f32,
  tensorOf,
  vector,
  type StoredTensor,
} from '../../core/onnx/runtime.suite.ts';
import { vjp } from '../../core/onnx/vjp.suite.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { openBrowser, whyNot, type Browser } from './chromium.ts';

const WHY_NOT = whyNot(true);
const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const RUNTIME = join(ROOT, 'node_modules/onnxruntime-web/dist');

interface OpVector {
  readonly op: string;
  readonly model: string;
  readonly inputs: readonly StoredTensor[];
  readonly dy: StoredTensor;
  readonly y: StoredTensor;
  readonly grads: readonly StoredTensor[];
}

/** Runs a model in the page; answers its outputs' elements. Without `strict`, the CPU may help. */
const RUN = `(async () => {
  const ort = await import('/ort.webgpu.min.mjs');
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'fatal';
  const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  globalThis.run = async (model, feeds, strict) => {
    const session = await ort.InferenceSession.create(bytes(model), {
      executionProviders: ['webgpu'],
      ...(strict && { extra: { session: { disable_cpu_ep_fallback: '1' } } }),
    });
    const inputs = session.inputNames.map((name) => {
      const { dtype, shape, data } = feeds[name];
      const { buffer } = bytes(data);
      return [name, dtype === 'F32'
        ? new ort.Tensor('float32', new Float32Array(buffer), shape)
        : new ort.Tensor('int64', new BigInt64Array(buffer), shape)];
    });
    const outputs = await session.run(Object.fromEntries(inputs));
    const read = Object.entries(outputs).map(async ([name, y]) => [name, Array.from(await y.getData(), Number)]);
    const values = Object.fromEntries(await Promise.all(read));
    await session.release();
    return values;
  };
})()`;

/** From best to worst. */
const OUTCOMES = ['right', 'right with the CPU', 'inexact', 'wrong', 'refused'] as const;
type Outcome = (typeof OUTCOMES)[number];

/** What doesn't run as it should: in this version of the runtime, its own kernels don't. */
const SHORTCOMINGS: Readonly<Record<string, readonly [Outcome, string]>> = {
  Acos: ['inexact', 'the GPU approximates it'],
  Cast: ['refused', 'to float64'],
  Clip: ['refused', 'bounds cast from float64'],
  Col2Im: ['right with the CPU', 'no kernel'],
  Compress: ['right with the CPU', 'no kernel'],
  Conv: ['refused', 'groups in three dimensions'],
  ConvTranspose: ['refused', 'groups in three dimensions'],
  Cos: ['inexact', 'the GPU approximates it'],
  Dropout: ['refused', 'no kernel'],
  Einsum: ['refused', 'axes broadcast under an ellipsis'],
  MaxUnpool: ['right with the CPU', 'no kernel'],
  Mod: ['right with the CPU', 'no kernel'],
  Resize: ['refused', 'antialias'],
  ReverseSequence: ['right with the CPU', 'no kernel'],
  Sin: ['inexact', 'the GPU approximates it'],
  SpaceToDepth: ['right with the CPU', 'no kernel'],
  Tan: ['inexact', 'the GPU approximates it'],
};

describe.skipIf(WHY_NOT !== '')('operators on WebGPU', () => {
  let browser: Browser;
  let page: Page;
  const server = createServer((request, response) => {
    const name = request.url?.split('/').pop() ?? '';
    const type =
      name === '' ? 'text/html' : name.endsWith('wasm') ? 'application/wasm' : 'text/javascript';
    response.setHeader('content-type', type);
    if (name === '') response.end('<!doctype html>');
    else
      readFile(join(RUNTIME, name)).then(
        (file) => response.end(file),
        () => response.writeHead(404).end(),
      );
  });
  beforeAll(async () => {
    browser = await openBrowser(SOFTWARE_GPU);
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    page = await browser.context.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.evaluate(RUN);
  });
  afterAll(async () => {
    await browser.close();
    server.close();
  });

  const outcomeOf = async ({ model, inputs, dy, y, grads }: OpVector): Promise<Outcome> => {
    const names = inputs.map((_, i) => `in${i}`);
    const made = vjp(decodeModel(bytesOf(model)), names, 'webgpu');
    const feeds = Object.fromEntries([...inputs.map((x, i) => [`in${i}`, x]), ['dy', dy]]);
    const run = async (strict: boolean): Promise<Record<string, number[]>> => {
      const given = [Buffer.from(made.model).toString('base64'), feeds, strict];
      return page.evaluate(`run(${given.map((value) => JSON.stringify(value)).join()})`);
    };
    const judged = (out: Record<string, number[]>): Outcome => {
      const pairs: [string, StoredTensor][] = [
        [made.y, y],
        ...grads.map((grad, i): [string, StoredTensor] => [made.grads.get(`in${i}`) ?? '', grad]),
      ];
      const off = pairs.map(([name, stored]) => {
        const { by, scale } = distance(f32(stored.shape, out[name] ?? []), tensorOf(stored));
        return by <= 1e-5 * scale + 1e-6 ? 0 : by / scale;
      });
      const worst = Math.max(...off);
      return worst === 0 ? 'right' : worst < 1e-3 ? 'inexact' : 'wrong';
    };
    try {
      return judged(await run(true));
    } catch {
      try {
        const loose = judged(await run(false));
        return loose === 'right' ? 'right with the CPU' : loose;
      } catch {
        return 'refused';
      }
    }
  };

  const ops = ['ops', 'ops-a', 'ops-b'].flatMap(
    (name) => (vector(name) as { ops: readonly OpVector[] }).ops,
  );

  test(`are right, most without the CPU${WHY_NOT}`, { timeout: 900_000 }, async () => {
    const found = new Map<string, Outcome>();
    for (const op of ops) {
      const outcome = await outcomeOf(op);
      const before = found.get(op.op) ?? 'right';
      found.set(op.op, OUTCOMES.indexOf(outcome) > OUTCOMES.indexOf(before) ? outcome : before);
    }
    const short = [...found]
      .filter(([, outcome]) => outcome !== 'right')
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const expected = Object.entries(SHORTCOMINGS).map(([op, [outcome]]) => [op, outcome]);
    expect(short).toEqual(expected);
  });
});
