import { afterAll, beforeAll, expect, test } from 'vitest';
import type { App } from '../../client-kit/src/executors/app.ts';
import type { SiteEvent } from '../../client-kit/src/event.ts';
import { runSite } from '../../client-kit/src/site.ts';
import { MemoryStore } from '../../client-kit/src/store.ts';
import type { JobView } from '../../core/protocol/job-status.ts';
import type { JobSpecInput } from '../../core/protocol/job.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { type Server, startServer } from '../../scripts/bare-server.ts';
import { Api } from './api.ts';

const CLASSES = 3;
const FEATURES = 60;
const ROWS = 90;

let server: Server;
let api: Api;
beforeAll(async () => {
  server = await startServer();
  api = new Api(server);
});
afterAll(() => server.stop());

/** Numbers that look random, for the data alone. */
const wave = (seed: number, i: number): number => Math.sin(seed * 999 + i * 12.9898) * 1.2;

/** Rows of which every third feature is larger in its own class. */
const dataOf = (seed: number) =>
  Array.from({ length: ROWS }, (_, row) => {
    const y = row % CLASSES;
    const x = Array.from(
      { length: FEATURES },
      (_, i) => wave(seed, row * FEATURES + i) + (i % CLASSES === y ? 0.5 : 0),
    );
    return { x, y };
  });

const weightsOf = (model: Tensors): Float32Array => model.get('w')?.data as Float32Array;

const scores = (w: Float32Array, x: readonly number[]): number[] =>
  Array.from({ length: CLASSES }, (_, c) =>
    x.reduce((sum, value, i) => sum + value * (w[c * FEATURES + i] as number), 0),
  );

const accuracyOf = (w: Float32Array, data: ReturnType<typeof dataOf>): number => {
  const right = data.filter(({ x, y }) => {
    const all = scores(w, x);
    return all.indexOf(Math.max(...all)) === y;
  });
  return right.length / data.length;
};

/** Softmax regression: ten steps of gradient descent on all rows. */
const trainOn =
  (data: ReturnType<typeof dataOf>): App =>
  ({ params = new Map() }) => {
    const before = weightsOf(params).slice();
    const w = before.slice();
    for (let step = 0; step < 10; step++) {
      const gradient = new Float64Array(w.length);
      for (const { x, y } of data) {
        const all = scores(w, x).map(Math.exp);
        const total = all.reduce((a, b) => a + b);
        for (let c = 0; c < CLASSES; c++) {
          const error = (all[c] as number) / total - Number(c === y);
          for (let i = 0; i < FEATURES; i++) {
            const at = c * FEATURES + i;
            gradient[at] = (gradient[at] as number) + (error * (x[i] as number)) / ROWS;
          }
        }
      }
      for (let i = 0; i < w.length; i++) w[i] = (w[i] as number) - 0.1 * (gradient[i] as number);
    }
    const update = w.map((value, i) => value - (before[i] as number));
    return {
      paramsType: 'DIFF',
      params: new Map([['w', { dtype: 'F32', shape: [CLASSES, FEATURES], data: update }]]),
      metrics: { accuracy: { sum: accuracyOf(before, data) * ROWS, count: ROWS } },
      meta: { NUM_STEPS_CURRENT_ROUND: 10 },
    };
  };

/** A job on three sites, to its end. */
const run = async (filters: JobSpecInput['filters'], seed: number) => {
  const zero = new Float32Array(CLASSES * FEATURES);
  const model = await api.blob(
    encode(new Map([['w', { dtype: 'F32' as const, shape: [CLASSES, FEATURES], data: zero }]])),
  );
  const enrolment = await api.enrolment();
  const names = ['a', 'b', 'c'].map((name) => `${name}${seed}`);
  const id = await api.submit({
    name: 'noisy',
    minSites: names.length,
    deploy: names,
    model,
    workflows: [{ id: 'train', use: 'fed-avg', args: { rounds: 6 } }],
    executors: [{ tasks: ['*'], use: 'app', args: { transferType: 'DIFF' } }],
    filters,
  });
  const events: SiteEvent[] = [];
  await Promise.all(
    names.map((name, i) =>
      runSite({
        server: server.url,
        fetch: api.fetch,
        name,
        enrolment,
        store: new MemoryStore(),
        app: trainOn(dataOf(i)),
        once: true,
        onEvent: (event) => events.push(event),
      }),
    ),
  );
  const view = await api.json<JobView>(`/v1/jobs/${id}`, 200);
  const failures = events.flatMap((event) =>
    event.type === 'failed' ? [String(event.error)] : [],
  );
  expect({ failures, reason: view.reason }).toEqual({ failures: [], reason: null });
  expect(view.status).toBe('FINISHED:COMPLETED');
  const answer = await api.call(`/v1/jobs/${id}/models/global`);
  const final = decode(new Uint8Array(await answer.arrayBuffer()));
  if (!final.ok) throw new Error(final.error.reason);
  const bytes = events.flatMap((event) => (event.type === 'submitted' ? [event.bytes] : []));
  return {
    accuracy: accuracyOf(weightsOf(final.value.tensors), dataOf(7)),
    weights: weightsOf(final.value.tensors),
    most: Math.max(...bytes),
  };
};

const at = { tasks: ['train'], on: 'result' as const, at: 'site' as const };

test('clipped, noised and quantised updates of a quantised model still learn', async () => {
  const plain = await run([], 1);
  const guarded = await run(
    [
      { ...at, use: 'clip', args: { norm: 1 } },
      { ...at, use: 'gaussian', args: { clip: 1, sigma: 0.02 } },
      { ...at, use: 'model-quantizer', args: { quantizationType: 'blockwise8' } },
      { ...at, on: 'data', at: 'server', use: 'model-quantizer' },
      { ...at, on: 'data', use: 'model-dequantizer' },
    ],
    2,
  );
  expect(plain.accuracy).toBeGreaterThan(0.95);
  expect(guarded.accuracy).toBeGreaterThan(0.9);
  // It is another model: by noise, by far more than the codes lose.
  const apart = guarded.weights.map((x, i) => x - (plain.weights[i] as number));
  expect(Math.hypot(...apart)).toBeGreaterThan(0.05);
  // 180 numbers of 4 bytes, against 184 bytes and what is said of them.
  expect(guarded.most).toBeLessThan(plain.most);
});

test('the noise is as large as was asked: an update of nothing is nothing but noise', async () => {
  const sigma = 1;
  const { weights } = await run([{ ...at, use: 'gaussian', args: { clip: 1e-9, sigma } }], 3);
  // The mean of three sites, over six rounds.
  const expected = sigma * Math.sqrt(6 / 3);
  const measured = Math.hypot(...weights) / Math.sqrt(weights.length);
  expect(measured / expected).toBeGreaterThan(0.8);
  expect(measured / expected).toBeLessThan(1.2);
});
