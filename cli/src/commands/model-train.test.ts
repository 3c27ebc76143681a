import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ort from 'onnxruntime-web';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { digits } from '../../../client-kit/tests/digits.ts';
import { xoshiro128 } from '../../../client-kit/src/seed.ts';
import { mlp, readModel } from '../../../core/onnx/index.ts';
import { decode } from '../../../core/tensors/safetensors.ts';
import { runCommandLine } from '../command-line.ts';
import { encodeNpz } from '../data/npz.ts';
import type { Epoch } from '../local-training.ts';

let dir = '';
const at = (name: string): string => join(dir, name);

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'tributary-train-'));
  const rng = xoshiro128(Uint32Array.of(1, 2, 3, 4));
  writeFileSync(at('net.onnx'), mlp({ inputs: [1, 28, 28], classes: 10, hidden: [32], rng }));
  const { x, y } = digits('train', 0, 1000);
  const data = Uint8Array.from(x.data as Uint8Array);
  writeFileSync(at('digits.npz'), encodeNpz({ x: { ...x, data }, y: Int32Array.from(y) }));
});
afterAll(() => rmSync(dir, { recursive: true }));

const train = async (
  argv: string[],
  { terminal = false, signal = new AbortController().signal } = {},
) => {
  let [stdout, stderr] = ['', ''];
  const files = [at('net.onnx'), '--data', at('digits.npz'), '-o', at('trained.onnx')];
  const code = await runCommandLine(['model', 'train', ...files, ...argv], {
    env: {},
    signal,
    terminal,
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
  });
  return { code, stdout, stderr };
};

interface Result {
  readonly steps: number;
  readonly examples: object;
  readonly epochs: readonly Epoch[];
}

test('learns digits: an ordinary model, its weights, a picture, and what it came to as JSON', async () => {
  const more = ['--weights', at('w.safetensors'), '--curve', at('curve.svg')];
  const options = ['--epochs', '3', '--lr', '0.1', '--schedule', 'cosine', '--warmup', '5'];
  const { code, stdout, stderr } = await train([...options, ...more, '--json']);
  expect(code, stderr).toBe(0);
  const { steps, examples, epochs } = JSON.parse(stdout) as Result;
  expect(steps).toBe(3 * 29);
  expect(examples).toEqual({ train: 900, validation: 100 });
  expect(epochs.map(({ steps: each }) => each)).toEqual([29, 58, 87]);
  expect(epochs[2]?.train['loss']).toBeLessThan((epochs[0]?.train['loss'] ?? 0) / 2);
  expect(epochs[2]?.validation?.['accuracy']).toBeGreaterThan(0.75);
  expect(stderr).toContain('1000 examples [1, 28, 28] from npz\nepoch 1/3  loss ');
  expect(stderr).not.toContain('\r');
  const weights = decode(new Uint8Array(readFileSync(at('w.safetensors'))));
  expect(weights.ok && weights.value.tensors.size).toBe(4);
  expect(readFileSync(at('curve.svg'), 'utf8')).toMatch(/net: loss[^]*validation[^]*accuracy/);

  // ONNX Runtime, with nothing of ours, finds what was reported.
  const session = await ort.InferenceSession.create(
    new Uint8Array(readFileSync(at('trained.onnx'))),
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
});

test('the same seed writes the same bytes; on a terminal there is a bar', async () => {
  expect((await train(['--seed', '5'], { terminal: true })).stderr).toMatch(
    /\r.*epoch 1\/1 {2}█+░+ {2}\d+\/29 {2}loss [\d.]+/,
  );
  const once = readFileSync(at('trained.onnx'));
  await train(['--seed', '5']);
  expect(Buffer.compare(readFileSync(at('trained.onnx')), once)).toBe(0);
  await train(['--seed', '6']);
  expect(Buffer.compare(readFileSync(at('trained.onnx')), once)).not.toBe(0);
});

test('adapters alone are learnt and written; the model that comes out has them merged', async () => {
  const options = ['--lora-rank', '2', '--optimizer', 'adam', '--lr', '0.01', '--epochs', '2'];
  const { code, stdout, stderr } = await train([
    ...options,
    '--weights',
    at('lora.safetensors'),
    '--json',
  ]);
  expect(code, stderr).toBe(0);
  const { epochs } = JSON.parse(stdout) as Result;
  expect(epochs[1]?.train['loss']).toBeLessThan(epochs[0]?.train['loss'] ?? 0);
  const adapters = decode(new Uint8Array(readFileSync(at('lora.safetensors'))));
  const shapes = adapters.ok ? [...adapters.value.tensors.values()].map(({ shape }) => shape) : [];
  expect(shapes).toEqual([
    [2, 784],
    [32, 2],
    [2, 32],
    [10, 2],
  ]);
  const merged = readModel(new Uint8Array(readFileSync(at('trained.onnx'))));
  expect(merged.ok && [...merged.value.initializers.keys()].length).toBe(4);
});

test.each([
  [
    ['--schedule', 'square'],
    2,
    "option --schedule: expected one of constant, linear, cosine, got 'square'",
  ],
  [
    ['--optimizer', 'adam:beta=1'],
    2,
    'expected options of adam (betas, eps, weightDecay, amsgrad)',
  ],
  [['--mean', '1,x'], 2, "option --mean: expected numbers with commas, got '1,x'"],
  [['--trainable', 'nothing*'], 8, 'nothing* fits none of'],
])('%j is refused', async (argv, code, says) => {
  const ended = await train(argv);
  expect(ended).toMatchObject({ code, stdout: '' });
  expect(ended.stderr).toContain(says);
});

test('Ctrl-C ends it with 130', async () => {
  expect((await train([], { signal: AbortSignal.abort() })).code).toBe(130);
});
