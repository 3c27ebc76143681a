import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runSite } from '../../client-kit/src/site.ts';
import { MemoryStore } from '../../client-kit/src/store.ts';
import { decode, encode } from '../../core/tensors/safetensors.ts';
import type { Tensors } from '../../core/tensors/tensor.ts';
import { ROOT } from '../../scripts/build-worker.ts';
import { startForTest } from '../cli/tributary.ts';
import { Rig } from './rig.ts';

// A Node site, PyTorch and plain Python in one job: the latter two through the Python agent, each beside a site of its own.

const AGENT = join(ROOT, 'agent/python');
/** The first Python here that can do this. */
const pythonWith = (check: string): string | undefined =>
  ['python3', '/usr/bin/python3'].find((python) => spawnSync(python, ['-c', check]).status === 0);
const plain = pythonWith('import sys; sys.exit(sys.version_info < (3, 9))');
const numpy = pythonWith('import numpy');
const torch = pythonWith('import torch, numpy');

let rig: Rig;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tributary-agent-'));
  rig = await Rig.start();
});
afterAll(async () => {
  await rig?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Exit {
  readonly code: number | null;
  readonly errors: string;
}

/** A Python program; it ends with the test at the latest. */
const run = (python: string, ...args: string[]): Promise<Exit> => {
  const child = spawn(python, ['-B', ...args], {
    env: { ...process.env, PYTHONPATH: AGENT },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  onTestFinished(() => void child.kill('SIGKILL'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, errors }));
  });
};

test.skipIf(!plain)("the Python agent's own tests", async () => {
  const tests = join(AGENT, 'test_tributary_agent.py');
  const runs = [run(plain as string, tests, '--no-numpy'), ...(numpy ? [run(numpy, tests)] : [])];
  for (const { code, errors } of await Promise.all(runs))
    expect([code, errors]).toEqual([0, expect.stringMatching(/OK/)]);
});

interface Data {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** The examples that the scripts make up for a site's name. */
const dataOf = (site: string): Data => {
  let seed = Array.from(site).reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0;
  const x = Array.from({ length: 480 }, (_, i) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed / 2 ** 32 - 0.5 + ((i >> 2) % 3 === i % 4 ? 1 : 0);
  });
  return { x, y: Array.from({ length: 120 }, (_, i) => i % 3) };
};

type Weights = readonly [w: number[], b: number[]];

/** Softmax regression in float64: 40 steps of 3 examples. */
const train = ([w, b]: Weights, { x, y }: Data): Weights => {
  let [weights, biases] = [[...w], [...b]];
  for (let at = 0; at < 120; at += 3) {
    const [dw, db] = [weights.map(() => 0), biases.map(() => 0)];
    for (let i = at; i < at + 3; i++) {
      const row = x.slice(4 * i, 4 * i + 4);
      const e = biases.map((bias, k) =>
        Math.exp(row.reduce((sum, v, j) => sum + v * (weights[4 * k + j] as number), bias)),
      );
      const total = e.reduce((sum, v) => sum + v);
      for (const [k, v] of e.entries()) {
        const slope = (v / total - (y[i] === k ? 1 : 0)) / 3;
        db[k] = (db[k] as number) + slope;
        for (const [j, value] of row.entries())
          dw[4 * k + j] = (dw[4 * k + j] as number) + slope * value;
      }
    }
    weights = weights.map((v, i) => v - 0.1 * (dw[i] as number));
    biases = biases.map((v, i) => v - 0.1 * (db[i] as number));
  }
  return [weights, biases];
};

/** How many examples a model has right. */
const rightOf = ([w, b]: Weights, { x, y }: Data): number =>
  y.filter((truth, i) => {
    const row = x.slice(4 * i, 4 * i + 4);
    const scores = b.map((v, k) =>
      row.reduce((sum, u, j) => sum + u * (w[4 * k + j] as number), v),
    );
    return scores.indexOf(Math.max(...scores)) === truth;
  }).length;

const meanOf = (rows: readonly number[][]): number[] =>
  (rows[0] ?? []).map(
    (_, i) => rows.reduce((sum, row) => sum + (row[i] as number), 0) / rows.length,
  );

const numbersOf = (params: Tensors, name: string): number[] =>
  Array.from(params.get(name)?.data ?? [], Number);
const paramsOf = ([w, b]: Weights): Tensors =>
  new Map([
    ['w', { dtype: 'F32', shape: [3, 4], data: Float32Array.from(w) }],
    ['b', { dtype: 'F32', shape: [3], data: Float32Array.from(b) }],
  ]);

/** A site in this process, with the same regression in TypeScript. */
const nodeSite = async (name: string, enrolment: string): Promise<void> => {
  let own: Tensors | undefined;
  await runSite({
    server: rig.url,
    name,
    enrolment,
    store: new MemoryStore(),
    once: true,
    app: ({ task, params }) => {
      if (task.name === 'submit_model') return { params: own ?? new Map() };
      if (task.name === 'validate') return { metrics: { accuracy: { sum: 1, count: 120 } } };
      const given = params ?? new Map();
      own = paramsOf(train([numbersOf(given, 'w'), numbersOf(given, 'b')], dataOf(name)));
      return { params: own, meta: { NUM_STEPS_CURRENT_ROUND: 40 } };
    },
  });
};

/** The command that an operator types, and the agent beside it. */
const agentSite = async (
  name: string,
  address: string,
  enrolment: string,
  script: readonly string[],
): Promise<void> => {
  const site = startForTest(
    ['site', 'run', '--server', rig.url, '--name', name, '--agent', address, '--once'],
    { env: { TRIBUTARY_ENROLMENT: enrolment, XDG_STATE_HOME: join(folder, name) } },
  );
  const [python = '', ...args] = script;
  const agent = await run(python, ...args);
  expect(agent).toEqual({ code: 0, errors: '' });
  const { code, stderr } = await site.ended;
  expect(code, stderr).toBe(0);
};

describe.skipIf(!plain)(`agents in Python${torch ? '' : ' (without PyTorch)'}`, () => {
  test('a Node site, PyTorch and plain Python train one model, and evaluate all of them everywhere', async () => {
    const enrolment = await rig.enrolment({ uses: 3 });
    const socket = `unix:${join(folder, 'agent.sock')}`;
    const files = `dir:${join(folder, 'pipe')}`;
    const names = ['node-1', 'plain-1', ...(torch ? ['torch-1'] : [])];
    const all = { sites: names.slice(1), use: 'task-exchanger' };
    const model: Tensors = paramsOf([Array<number>(12).fill(0), [0, 0, 0]]);
    const rounds = 3;
    const spec = {
      ...(await rig.spec(names.map((name) => ({ name, token: '' })))),
      model: await rig.putBlob(encode(model)),
      workflows: [
        { id: 'train', use: 'fed-avg', args: { rounds, minResponses: names.length } },
        { id: 'cross', use: 'cross-site-eval', args: {} },
      ],
      executors: [
        { tasks: ['*'], ...all, args: { config: { lr: 0.1, batchSize: 3 } } },
        { tasks: ['*'], use: 'app' },
      ],
    };
    const job = await rig.submit(spec);
    const working = Promise.all([
      nodeSite('node-1', enrolment),
      agentSite('plain-1', files, enrolment, [
        plain as string,
        join(import.meta.dirname, 'plain_agent.py'),
        files,
      ]),
      torch &&
        agentSite('torch-1', socket, enrolment, [
          torch,
          join(ROOT, 'examples/pytorch-agent/train.py'),
          '--agent',
          socket,
        ]),
    ]);
    const [view] = await Promise.all([rig.settled(job), working]);
    expect([view.status, view.reason]).toEqual(['FINISHED:COMPLETED', null]);

    let expected: Weights = [Array<number>(12).fill(0), [0, 0, 0]];
    let trained: Weights[] = [];
    for (let round = 0; round < rounds; round++) {
      trained = names.map((name) => train(expected, dataOf(name)));
      expected = [meanOf(trained.map(([w]) => w)), meanOf(trained.map(([, b]) => b))];
    }
    const final = decode(await rig.model(job));
    if (!final.ok) throw new Error(final.error.reason);
    for (const [part, name] of ['w', 'b'].entries()) {
      const got = numbersOf(final.value.tensors, name);
      const worst = Math.max(...got.map((v, i) => Math.abs(v - (expected[part]?.[i] as number))));
      expect(worst).toBeLessThanOrEqual(1e-5);
    }
    // Far from where it began, so that the comparison says something.
    expect(Math.max(...(expected[0] ?? []))).toBeGreaterThan(0.5);

    const { results } = view as unknown as {
      results: { cross: Record<string, Record<string, unknown>> };
    };
    expect(Object.keys(results.cross).sort()).toEqual(names);
    const models = Object.fromEntries(names.map((name, i) => [name, trained[i] as Weights]));
    for (const site of names.slice(1)) {
      for (const [owner, weights] of Object.entries({ ...models, global: expected })) {
        const accuracy = rightOf(weights, dataOf(site)) / 120;
        const cell = {
          metrics: { accuracy: expect.closeTo(accuracy, 12) as number },
          examples: 120,
        };
        expect([site, owner, results.cross[site]?.[owner]]).toEqual([site, owner, cell]);
      }
    }
  });
});
