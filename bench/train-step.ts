// One optimizer step (forward, backward, SGD with momentum), beside TensorFlow.js in the same run.
// `npm run bench -- train-step`. Each row is measured by fresh processes, interleaved, and is the median of their medians.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { cnn, differentiate, mlp } from '../core/onnx/index.ts';
import { DTYPES } from '../core/tensors/dtype.ts';
import { sizeOf } from '../core/tensors/tensor.ts';
import { machine, median, table } from './machine.ts';

const BATCH = 32;
const ROUNDS = 3;
const MODELS = ['mlp', 'cnn'] as const;
type Model = (typeof MODELS)[number];

/** A small generator with a fixed seed: the same pixels and weights for everybody. */
const generator = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
};

const time = async (warm: number, steps: number, step: () => Promise<void>): Promise<number> => {
  for (let i = 0; i < warm; i++) await step();
  const times: number[] = [];
  for (let i = 0; i < steps; i++) {
    const before = performance.now();
    await step();
    times.push(performance.now() - before);
  }
  return median(times);
};

/** Steps of warm-up, steps measured. */
const COUNT = { mlp: [500, 1000], cnn: [10, 60] } as const;

async function ours(model: Model, threads: number): Promise<number> {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  const rng = generator(1);
  const forward =
    model === 'mlp'
      ? mlp({ inputs: [1, 28, 28], hidden: [128], classes: 10, rng })
      : cnn({ inputs: [1, 28, 28], channels: [16, 32], classes: 10, rng });
  const made = differentiate(forward, {
    loss: 'softmax-cross-entropy',
    optimizer: { name: 'sgd', momentum: 0.9 },
  });
  if (!made.ok) throw new Error(JSON.stringify(made.error));
  const { train, parameters } = made.value;
  const session = await ort.InferenceSession.create(train.model);
  const { manifest } = train;
  const feeds: Record<string, InstanceType<typeof ort.Tensor>> = {};
  for (const p of manifest.parameters) {
    feeds[p.input] = new ort.Tensor(
      'float32',
      Float32Array.from(parameters.get(p.name)?.data as Float32Array),
      [...p.shape],
    );
  }
  for (const s of manifest.state) {
    feeds[s.input] = new ort.Tensor('float32', new DTYPES.F32.array(sizeOf(s.shape)), [...s.shape]);
  }
  feeds[manifest.inputs.x.input] = new ort.Tensor(
    'uint8',
    Uint8Array.from({ length: BATCH * 784 }, () => rng() * 256),
    [BATCH, 1, 28, 28],
  );
  const { y, lr } = manifest.inputs;
  if (!y || !lr) throw new Error('the train program has no y or lr');
  feeds[y.input] = new ort.Tensor(
    'int32',
    Int32Array.from({ length: BATCH }, () => rng() * 10),
    [BATCH],
  );
  feeds[lr.input] = new ort.Tensor('float32', Float32Array.of(0.01), [...lr.shape] as number[]);
  const carried = [...manifest.parameters, ...manifest.state].flatMap(({ input, output }) =>
    output === undefined ? [] : [[input, output] as const],
  );
  const [warm, steps] = COUNT[model];
  return await time(warm, steps, async () => {
    const out = await session.run(feeds);
    for (const [input, output] of carried) feeds[input] = out[output] as (typeof feeds)[string];
  });
}

const [, , side, model, threads] = process.argv;
if (side === 'ours') console.log(await ours(model as Model, Number(threads)));
else {
  if (!existsSync(join(import.meta.dirname, 'tfjs/node_modules'))) {
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: join(import.meta.dirname, 'tfjs'),
      stdio: 'ignore',
    });
  }
  const measure = (script: string, ...args: string[]): number =>
    Number(
      execFileSync(process.execPath, ['--no-warnings', script, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      })
        .trim()
        .split('\n')
        .at(-1),
    );
  const self = import.meta.filename;
  const peer = join(import.meta.dirname, 'tfjs/measure.js');
  const rows: string[][] = [['ms a step, batch 32', 'median', 'range', 'against 1 thread']];
  for (const model of MODELS) {
    const samples: Record<string, number[]> = { '1 thread': [], '2 threads': [], 'TF.js': [] };
    for (let round = 0; round < ROUNDS; round++) {
      samples['1 thread']?.push(measure(self, 'ours', model, '1'));
      samples['2 threads']?.push(measure(self, 'ours', model, '2'));
      if (model === 'mlp' || round === 0)
        samples['TF.js']?.push(measure(peer, model, String(BATCH)));
    }
    const base = median(samples['1 thread'] ?? []);
    for (const [name, sample] of Object.entries(samples)) {
      const label =
        name === 'TF.js'
          ? `TF.js, ${model === 'mlp' ? 'wasm' : 'cpu (its wasm has no Conv2DBackpropFilter)'}`
          : `Tributary, ${name}`;
      rows.push([
        `${model}: ${label}`,
        median(sample).toFixed(3),
        `${Math.min(...sample).toFixed(3)}-${Math.max(...sample).toFixed(3)}`,
        `${(median(sample) / base).toFixed(2)}x`,
      ]);
    }
  }
  console.log(`${machine('onnxruntime-web')}, @tensorflow/tfjs 4.22.0`);
  console.log(
    `mlp 784-128-10; cnn 5x5x16, 5x5x32, dense. SGD with momentum. ${ROUNDS} processes a row, interleaved; each after a warm-up (mlp 500 and 1,000 steps, cnn 10 and 60; TF.js cpu cnn: 2 steps).`,
  );
  console.log(table(rows));
}
